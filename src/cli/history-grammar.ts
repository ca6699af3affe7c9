import { Command, InvalidArgumentError, Option } from 'commander'
import { type Place, readPlace } from '../history/engine/range.js'

/** `tillroll history`: what analysts ask the past. */
export const history = (): Command => new Command('history').description('the past: export it, query it, look into it')

/** A time or a position, as `--from` and `--to` take it. */
export const place = (word: string): Place => {
  try {
    return readPlace(word)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

const several = (word: string, before: readonly string[] = []): readonly string[] => [...before, ...word.split(',')]

/** The options that say which events; `range` alone for what isn't about single events. */
export const withRange = (command: Command): Command =>
  command
    .option('--from <time|position>', 'leave out what was before: 2026-01-31, 2026-01-31T12:00, 7d (ago), or a position', place)
    .option('--to <time|position>', 'leave out this and what comes after', place)

export const withFilter = (command: Command): Command =>
  withRange(command)
    .addOption(new Option('--type <types...>', 'only these, such as OrderPlaced').argParser(several))
    .option('--stream <name>', 'only streams whose name begins so, such as order-')
    .option('--actor <user>', 'only what this user did, by id, or anonymous, or system')
    .option('--correlation <id>', 'only what one request caused')
