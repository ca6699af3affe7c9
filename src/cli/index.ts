#!/usr/bin/env node
import { CommanderError, InvalidArgumentError } from 'commander'
import { createProgram } from './grammar.js'

/** What was asked for can't be done (1), or can't be understood (2): one sentence, and the stack only for who looks for a bug. */
const run = async (): Promise<number> => {
  const debugging = ['debug', 'trace'].includes(process.env.LOG_LEVEL ?? '')
  try {
    await createProgram().parseAsync()
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof InvalidArgumentError) process.stderr.write(`error: ${error.message}\n`)
    // Anything else of commander's it has said itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`tillroll: ${debugging ? (error as Error).stack : (error as Error).message}\n`)
    return 1
  }
}

process.exit(await run())
