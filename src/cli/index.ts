#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { bridgeCommand } from './bridge.js'
import { eventsCommand } from './events.js'
import { eventstoreCommand } from './eventstore.js'
import { withInstance } from './instance.js'
import { projectionsCommand } from './projections.js'
import { serveCommand } from './serve.js'
import { usersCommand } from './users.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('tillroll')
  .description("a shop's backend whose one truth is its event history")
  .version(version, '--version')
  .configureHelp({ showGlobalOptions: true })

program
  .addCommand(serveCommand())
  .addCommand(usersCommand(withInstance))
  .addCommand(projectionsCommand(withInstance))
  .addCommand(bridgeCommand(withInstance))
  .addCommand(eventsCommand(withInstance))
  .addCommand(eventstoreCommand())

/** What was asked for can't be done (1), or can't be understood (2): one sentence, and the stack only for who looks for a bug. */
const run = async (): Promise<number> => {
  const debugging = ['debug', 'trace'].includes(process.env.LOG_LEVEL ?? '')
  try {
    await exiting(program).parseAsync()
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof InvalidArgumentError) process.stderr.write(`error: ${error.message}\n`)
    // Anything else of commander's it has said itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`tillroll: ${debugging ? (error as Error).stack : (error as Error).message}\n`)
    return 1
  }
}

/** Every command throws what it would end the process with. */
const exiting = (command: Command): Command => {
  for (const child of command.commands) exiting(child)
  return command.exitOverride()
}

process.exit(await run())
