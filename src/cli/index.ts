#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { eventsCommand } from './events.js'
import { withInstance } from './instance.js'
import { serveCommand } from './serve.js'
import { usersCommand } from './users.js'

const program = new Command('tillroll')
  .description("a shop's backend whose one truth is its event history")
  .configureHelp({ showGlobalOptions: true })

for (const command of [serveCommand(), usersCommand(withInstance), eventsCommand(withInstance)]) program.addCommand(command)

/** What was asked for can't be done (1), or can't be understood (2): one sentence, and the stack only for who looks for a bug. */
const run = async (): Promise<number> => {
  const debugging = ['debug', 'trace'].includes(process.env.LOG_LEVEL ?? '')
  try {
    await exiting(program).parseAsync()
    return 0
  } catch (error) {
    // commander has said what was wrong.
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
