import { Command, InvalidArgumentError, Option } from 'commander'
import { formats, resultFormats } from '../history/engine/export-target.js'
import type { Every } from '../history/engine/periods.js'
import { type Place, readPlace } from '../history/engine/range.js'
import { messageOf } from '../platform/errors.js'
import type { Instance } from './instance.js'

/** (Not imported from where they are worked with: that loads a library.) */
const periods: readonly Every[] = ['hour', 'day', 'week', 'month']

const joined = async (work: (instance: Instance) => Promise<void>): Promise<void> =>
  (await import('./instance.js')).withInstance(work)

const json = ['--json', 'for a program to read'] as const

/** `tillroll history`: what analysts ask the past. */
export const history = (): Command => {
  const command = new Command('history').description('the past: export it, query it, look into it')
  for (const child of [exporting(), sql(), serving(), blame(), show(), tail(), stats(), trace(), diff(), replay(), whatIf()])
    command.addCommand(child)
  return command
}

const exporting = (): Command =>
  withFilter(new Command('export'))
    .description(
      'write the history to files, without what is secret or personal; the same command goes on where an interrupted one was',
    )
    .addOption(
      new Option('--format <format>', 'one JSON object a line, or a table for each event type')
        .choices(formats)
        .default('ndjson'),
    )
    .option('--out <file|folder>', 'where; by default lines go to the standard output')
    .option('--with-personal-data', 'names and e-mail addresses too')
    .option('--json', 'the progress as JSON lines')
    .action((flags) => joined(async (instance) => (await import('./commands/history/export.js')).exportTo(instance, flags)))

const sql = (): Command =>
  new Command('sql')
    .description('ask the history and the read models in SQL; without a statement, at a prompt')
    .argument('[statement]', 'such as: select type, count(*) from events group by type')
    .addOption(new Option('--format <format>', 'of the answer').choices(resultFormats).default('table'))
    .option('--out <file>', 'write the answer there')
    .option('--explain-schema', 'print every view with its columns, and what they mean')
    .action(async (statement, { explainSchema, ...flags }) => {
      const commands = await import('./commands/history/sql.js')
      if (explainSchema) commands.explainSchema()
      else await joined((instance) => commands.sql(instance, statement, flags))
    })

const serving = (): Command =>
  new Command('serve')
    .description("let the analyst's own tools ask the history in SQL, over PostgreSQL's protocol, read-only")
    .option('--port <port>', 'where; by default HISTORY_PORT, or 5433', port)
    .option('--host <address>', 'by default HISTORY_HOST, or loopback; anything else needs TLS')
    .action((flags) => joined(async (instance) => (await import('./commands/history/serve.js')).serve(instance, flags)))

const port = (text: string): number => {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535')
  return Number(text)
}

const blame = (): Command =>
  new Command('blame')
    .description('for each column of a row: the event that set its present value, when, by whom and on which request')
    .argument('<projection>', 'products, orders, carts or users')
    .argument('<id>', "the row's id, as an integer or 24 hexadecimal digits; a cart's is its user's")
    .option('--column <column>', 'only this one, such as stock')
    .option('--all', 'every event that changed it, with before and after, oldest first')
    .option('--with-personal-data', 'names and e-mail addresses too')
    .option(...json)
    .action((projection, id, flags) =>
      joined(async (instance) => (await import('./commands/history/blame.js')).blameRow(instance, projection, id, flags)),
    )

const show = (): Command =>
  new Command('show')
    .description('what happened in one stream, an event a line, oldest first')
    .argument('<stream>', 'such as product-1, order-7 or user-000000010000000000000001')
    .option('--state', 'with what each event changed in the row that the stream folds to')
    .option('--with-personal-data', 'names and e-mail addresses too')
    .option(...json)
    .action((stream, flags) =>
      joined(async (instance) => (await import('./commands/history/show.js')).show(instance, stream, flags)),
    )

const tail = (): Command =>
  withFilter(new Command('tail'))
    .description('the last events, and with -f those that come, until it is interrupted')
    .option('-f, --follow', 'go on with what comes')
    .option('-n, --lines <events>', 'so many of those that there are', lines, 10)
    .option(...json)
    .action((flags) => joined(async (instance) => (await import('./commands/history/tail.js')).tail(instance, flags)))

const lines = (text: string): number => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('a whole number from 1 to 999999')
  return Number(text)
}

const stats = (): Command =>
  withFilter(new Command('stats'))
    .description('how many events there were of each type, by the day or the hour (UTC)')
    .addOption(new Option('--by <period>', 'how long a period is').choices(['hour', 'day']).default('day'))
    .option('--plot', 'a bar for each period, all types together')
    .option(...json)
    .action((flags) => joined(async (instance) => (await import('./commands/history/stats.js')).stats(instance, flags)))

const trace = (): Command =>
  new Command('trace')
    .description('everything that a request caused, across streams, as a tree; of an order, all its requests')
    .argument('<correlation|order>', "the X-Correlation-Id of an answer, or an order's id")
    .option(...json)
    .action((word, flags) =>
      joined(async (instance) => (await import('./commands/history/trace.js')).traceOf(instance, word, flags)),
    )

const diff = (): Command =>
  new Command('diff')
    .description('what changed between two moments: rows made, changed and gone, by projection and by the request that did it')
    .requiredOption('--from <time|position>', 'the shop as of this: 2026-01-31T09:00, 7d (ago), or a position', place)
    .option('--to <time|position>', 'held against the shop as of this; by default as it is', place)
    .option('--projection <name>', 'only products, orders, carts or users')
    .option('--with-personal-data', 'names and e-mail addresses too')
    .option(...json)
    .action((flags) => joined(async (instance) => (await import('./commands/history/diff.js')).showDiff(instance, flags)))

const replay = (): Command =>
  withFilter(new Command('replay'))
    .description("fold the history with a file of one's own, in TypeScript or JavaScript, that exports initial and evolve")
    .argument('<file>', 'such as examples/revenue-a-day.ts; it runs with your rights')
    .option('--as-of <time|position>', 'as if it were then: leave out what comes after', place)
    .addOption(new Option('--every <period>', 'a row for each, as it ends').choices(periods))
    .option('--tz <zone>', 'of the periods, such as Europe/Berlin; by default UTC')
    .option('--plot [file]', 'as a chart: here, or in a file that ends in .svg or .png')
    .addOption(new Option('--format <format>', 'of the result').choices(['table', 'json']).default('table'))
    .action(async (file, flags) => {
      const { prepareReplay, replayFile } = await import('./commands/history/replay.js')
      const fold = await prepareReplay(file, flags)
      await joined((instance) => replayFile(instance, fold, flags))
    })

const whatIf = (): Command =>
  new Command('what-if')
    .description('which rows would be others if a projection folded differently; nothing is written')
    .requiredOption('--projection <name>', 'products, orders, carts or users')
    .requiredOption(
      '--with <file>',
      'TypeScript or JavaScript that exports evolve, or a changed projection; it runs with your rights',
    )
    .option('--as-of <time|position>', 'as if it were then', place)
    .option('--limit <rows>', 'show so many that differ; all are counted', lines, 50)
    .option('--with-personal-data', 'names and e-mail addresses too')
    .addOption(new Option('--format <format>', 'of the result; as JSON it is whole').choices(['table', 'json']).default('table'))
    .action(async (flags) => {
      const { prepareWhatIf, showWhatIf } = await import('./commands/history/what-if.js')
      const asked = await prepareWhatIf(flags)
      await joined((instance) => showWhatIf(instance, asked, flags))
    })

/** A time or a position, as `--from` and `--to` take it. */
export const place = (word: string): Place => {
  try {
    return readPlace(word)
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error))
  }
}

const several = (word: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...word.split(',').map((one) => one.trim()),
]

/** The options that say which events; `range` alone for what isn't about single events. */
export const withRange = (command: Command): Command =>
  command
    .option('--from <time|position>', 'leave out what was before: 2026-01-31, 2026-01-31T12:00, 7d (ago), or a position', place)
    .option('--to <time|position>', 'leave out this and what comes after', place)

export const withFilter = (command: Command): Command =>
  withRange(command)
    .option('--type <type>', 'only these, such as OrderPlaced; several by comma, or again', several)
    .option('--stream <name>', 'only streams whose name begins so, such as order-')
    .option('--actor <user>', "only what this user did, by id, or anonymous, or system, or an operator, such as 'operator kim'")
    .option('--correlation <id>', 'only what one request caused')
