import { readFileSync } from 'node:fs'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import type { ReplayFrom } from '../bridge/replay.js'
import { roles as userRoles } from '../domain/user.js'
import { roles } from '../platform/process-role.js'
import { projections as readModels } from '../projections/all.js'
import { history, place } from './history-grammar.js'
import type { Instance } from './instance.js'

// What a command does is loaded when it runs: the whole shop takes a while to load, and who asks for help or mistypes needs none of it.

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** All that `tillroll` understands. Every command rejects with what it would end the process with. */
export const createProgram = (): Command => {
  const program = new Command('tillroll')
    .description("a shop's backend whose one truth is its event history")
    .version(version, '--version')
    .configureHelp({ showGlobalOptions: true })
  for (const command of [serve(), users(), projections(), bridge(), events(), history(), fork(), eventstore()])
    program.addCommand(command)
  return throwing(program)
}

const throwing = (command: Command): Command => {
  for (const child of command.commands) throwing(child)
  return command.exitOverride()
}

const joined = async (work: (instance: Instance) => Promise<void>): Promise<void> =>
  (await import('./instance.js')).withInstance(work)

const serve = (): Command =>
  new Command('serve')
    .description('run the shop, or one role of it beside an instance that runs on the data folder')
    .addOption(new Option('--role <role>', 'what this process does').choices(roles).default('all'))
    .option('--start-over', 'forget the read models and build them anew from the event store, which may have been restored')
    .option('--demo', 'fill an empty shop with some weeks of business, to look at')
    .action(async (flags) => (await import('./commands/serve.js')).serve(flags))

const json = ['--json', 'for a program to read'] as const

const users = (): Command => {
  const command = new Command('users').description('people and what they may do')
  command
    .command('list')
    .description('who is registered, by e-mail')
    .addOption(new Option('--role <role>', 'those with this role alone').choices(userRoles))
    .option('--limit <people>', 'so many at most', wholeNumber, 1_000)
    .option(...json)
    .action((flags) => joined(async (instance) => (await import('./commands/users.js')).list(instance, flags)))
  command
    .command('grant')
    .description('give a user a role; their tokens end, so that they log in again')
    .argument('<email>', 'with which they are registered')
    .addArgument(new Argument('<role>', 'what they may do from then on').choices(userRoles))
    .addOption(by())
    .action((email, role, flags) =>
      joined(async (instance) => (await import('./commands/users.js')).grant(instance, email, role, flags)),
    )
  command
    .command('reset-password')
    .description(
      'print a new password for somebody who has lost theirs: good for one log-in within a day, and to set another with',
    )
    .argument('<email>', 'with which they are registered')
    .addOption(by())
    .action((email, flags) =>
      joined(async (instance) => (await import('./commands/users.js')).resetPassword(instance, email, flags)),
    )
  command
    .command('sign-out')
    .description("end a user's tokens, everywhere")
    .argument('<email>', 'with which they are registered')
    .addOption(by())
    .action((email, flags) => joined(async (instance) => (await import('./commands/users.js')).signOut(instance, email, flags)))
  return command
}

/** Of what is done to an account. */
const by = (): Option =>
  new Option('--by <name>', 'who does it, for the history; by default your name on this machine').argParser((name) => {
    if (/^[\p{L}\p{N}._@-][\p{L}\p{N}._@ -]{0,79}$/u.test(name)) return name
    throw new InvalidArgumentError('A name has 1 to 80 letters, digits, dots, dashes and spaces.')
  })

const projectionNames = readModels.map(({ name }) => name)

const projections = (): Command => {
  const command = new Command('projections').description('the read models')
  command
    .command('list')
    .description('where they stand')
    .option(...json)
    .action((flags) => joined(async (instance) => (await import('./commands/projections.js')).list(instance, flags)))
  command
    .command('rebuild')
    .description('build new tables beside the live ones, compare them, and make them live')
    .addArgument(new Argument('[name]', 'the projection').choices(projectionNames))
    .option('--all', 'every projection, in one reading')
    .option('--parallel <parts>', 'in so many parts, each in a process of its own', wholeNumber, 1)
    .option('--verify-only', 'build and compare, and leave the live ones live; exits 1 where rows differ')
    .option(...json)
    .action((name, flags) =>
      joined(async (instance) => (await import('./commands/projections.js')).rebuild(instance, name, flags)),
    )
  command
    .command('verify')
    .description('fold rows again from their streams and compare; exits 1 on a difference')
    .addArgument(new Argument('<name>', 'the projection').choices(projectionNames))
    .option('--sample <rows>', 'only so many, at random', wholeNumber)
    .action((name, flags) =>
      joined(async (instance) => (await import('./commands/projections.js')).verify(instance, name, flags)),
    )
  command
    .command('rollback')
    .description('make the generation live again that was live before')
    .addArgument(new Argument('<name>', 'the projection').choices(projectionNames))
    .action((name) => joined(async (instance) => (await import('./commands/projections.js')).rollback(instance, name)))
  const quarantine = command.command('quarantine').description('streams that are parked, because an event or its row was refused')
  quarantine
    .command('list')
    .option(...json)
    .action((flags) => joined(async (instance) => (await import('./commands/projections.js')).listQuarantine(instance, flags)))
  quarantine
    .command('retry')
    .description('fold them again from their beginning, with the code of today; exits 1 where one stays parked')
    .argument('[stream]', 'this one alone, such as order-000000010000000000000001')
    .action((streamId) =>
      joined(async (instance) => (await import('./commands/projections.js')).retryQuarantine(instance, streamId)),
    )
  return command
}

const bridge = (): Command => {
  const command = new Command('bridge').description('the topic of orders, in Kafka or in Postgres')
  command
    .command('status')
    .description('each generation of the topic: its state, its position, how far it is behind, the last error')
    .option('--json', 'as JSON')
    .action((flags) => joined(async (instance) => (await import('./commands/bridge.js')).status(instance, flags)))
  command
    .command('replay')
    .description('publish the history anew, into a generation of the topic that nobody has filled')
    .requiredOption('--to <topic>', 'the new generation, such as orders.v2', topicName)
    .option('--from <time|position>', 'leave out what was before: an ISO time (of the events), or a commit position', whence)
    .option('--live', 'the bridge goes on with it')
    .option('--json', 'the progress as JSON lines')
    .action((flags) => joined(async (instance) => (await import('./commands/bridge.js')).replay(instance, flags)))
  command
    .command('asyncapi')
    .description('print the public records as AsyncAPI 3')
    .action(async () => (await import('./commands/bridge.js')).printAsyncapi())
  command
    .command('end')
    .argument('<topic>', 'a live generation', topicName)
    .description('write no more into a generation; what is there stays')
    .action((topic) => joined(async (instance) => (await import('./commands/bridge.js')).end(instance, topic)))
  return command
}

const events = (): Command => {
  const command = new Command('events').description('the history itself')
  command
    .command('tail')
    .description('print events as they happen, one JSON object a line, until it is interrupted')
    .option('--all', 'from the beginning of the history')
    .option('--no-follow', 'end with the last event there is')
    .option('--stream <prefix>', 'only streams whose name begins so, such as order-')
    .option('--with-personal-data', 'names and e-mail addresses too')
    .action((flags) => joined(async (instance) => (await import('./commands/events.js')).tail(instance, flags)))
  return command
}

const eventstore = (): Command => {
  const command = new Command('eventstore').description(
    'the embedded event store: serve it alone, back it up, verify and scavenge it',
  )
  const folder = ['--data <folder>', "the store's folder; by default that of the shop"] as const
  const running = ['--port <port>', 'of a node that serves alone on this machine', wholePort] as const
  command
    .command('serve')
    .description("serve the folder to any client of EventStoreDB's protocol; without a certificate there is no log-in")
    .option(...folder)
    .option('--port <port>', 'where', wholePort, 2113)
    .option('--host <address>', 'loopback, unless the network is to be trusted', '127.0.0.1')
    .option(
      '--cert <file>',
      'serve over TLS with this certificate (PEM), and ask who writes to and reads what is not for everyone',
    )
    .option('--key <file>', "the certificate's key (PEM)")
    .option('--advertise <host[:port]>', 'where clients are told that the node is, behind a proxy or in a container')
    .action(async (flags) => (await import('./commands/eventstore.js')).serve(flags))
  command
    .command('verify')
    .description('read everything, check every sum and the hash chain, and say what was found; exits 1 where something is wrong')
    .option(...folder)
    .option(...running)
    .option('--seal <file>', 'a seal that the log must hold')
    .option('--seal-key <file>', 'the key, in PEM, that must have signed the seal: public or private')
    .action(async (flags) => (await import('./commands/eventstore.js')).verify(flags))
  command
    .command('status')
    .description('how the event store that runs here stands, and what the check of its files has found')
    .option(...running)
    .action(async (flags) => (await import('./commands/eventstore.js')).status(flags))
  command
    .command('latency')
    .description(
      'how long the reads and appends of the store that the shop uses take, embedded or not: median and 99th percentile',
    )
    .option('--calls <count>', 'of each', wholeNumber, 300)
    .option(...json)
    .action((flags) => joined(async (instance) => (await import('./commands/latency.js')).latency(instance, flags)))
  command
    .command('seal')
    .description('sign the head of the hash chain, so that what is written until now can be proved unchanged')
    .requiredOption('--key <file>', 'an Ed25519 private key in PEM; made where there is none')
    .option('--out <file>', 'where to; by default the standard output')
    .option(...folder)
    .option(...running)
    .action(async (flags) => (await import('./commands/eventstore.js')).seal(flags))
  command
    .command('accept-end')
    .description('take the log for whole as it ends now, where both files that say how long it must be are lost')
    .option(...folder)
    .action(async (flags) => (await import('./commands/eventstore.js')).acceptEnd(flags))
  command
    .command('scavenge')
    .description('rewrite the files without what deletion and metadata have made unreachable')
    .option(...folder)
    .option(...running)
    .action(async (flags) => (await import('./commands/eventstore.js')).scavenge(flags))
  command
    .command('backup')
    .description('write all of the store, as it is now, to one file')
    .argument('<file>', 'of the backup')
    .option(...folder)
    .option(...running)
    .action(async (file, flags) => (await import('./commands/eventstore.js')).backup(file, flags))
  command
    .command('restore')
    .description('make a store of a backup, in a folder that is empty or not there')
    .argument('<file>', 'of the backup')
    .option(...folder)
    .action(async (file, flags) => (await import('./commands/eventstore.js')).restore(file, flags))
  return command
}

const fork = (): Command =>
  new Command('fork')
    .description(
      'make a second, independent shop of the history so far, to rehearse on; this one is only read, and may be running',
    )
    .argument('<folder>', 'for its data; empty, or not there')
    .option('--at <time|position>', 'as the shop was then: a day, a time, 7d (ago), or a position', place)
    .option('--mask', 'other names, e-mail addresses and passwords, so that it can be handed on')
    .action(async (folder, flags) => (await import('./commands/fork.js')).fork(folder, flags))

const wholeNumber = (text: string): number => {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError('a whole number')
  return Number(text)
}

const wholePort = (text: string): number => {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535')
  return Number(text)
}

const topicName = (name: string): string => {
  if (/^[a-zA-Z0-9._-]{1,200}$/.test(name) && name !== '.' && name !== '..') return name
  throw new InvalidArgumentError('A topic’s name has letters, digits, dots, dashes and underscores.')
}

const whence = (word: string): ReplayFrom => {
  if (/^\d+$/.test(word)) return { position: BigInt(word) }
  const time = new Date(word)
  if (Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('Neither a time, such as 2026-01-31T12:00:00Z, nor a commit position.')
  return { time: time.toISOString() }
}
