#!/usr/bin/env node
import { CommanderError, InvalidArgumentError } from 'commander'
import { messageOf } from '../platform/errors.js'
import { createProgram } from './grammar.js'
import { Interrupted } from './signals.js'

/** What was asked for can't be done (1), can't be understood (2) or was interrupted (130): one sentence, and the stack only for who looks for a bug. */
const run = async (): Promise<number> => {
  const debugging = ['debug', 'trace'].includes(process.env.LOG_LEVEL ?? '')
  try {
    const program = createProgram()
    if (process.argv.length <= 2) program.outputHelp()
    else await program.parseAsync()
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof InvalidArgumentError) process.stderr.write(`error: ${error.message}\n`)
    if (error instanceof Interrupted) return 130
    // Anything else of commander's it has said itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`tillroll: ${debugging ? (error as Error).stack : messageOf(error)}\n`)
    return 1
  }
}

process.exit(await run())
