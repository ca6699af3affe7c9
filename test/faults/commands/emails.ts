import type { Account } from '../../../src/commands/account.js'
import { type Email, normaliseEmail } from '../../../src/domain/email.js'
import type { UserId } from '../../../src/domain/ids.js'
import { user } from '../../../src/domain/user.js'
import { emailsWrong } from './invariants.js'
import { type Answer, type Asked, answerOf, type World, type WorldCommands } from './world.js'

type Actor = { readonly name: string; readonly commands: WorldCommands; readonly within: number }

/** Few e-mails, which the users who are there from the start move between and others register. */
type Town = { readonly emails: readonly Email[]; readonly users: readonly UserId[]; readonly byKey: Map<string, UserId> }

const password = 'secret'
const endless = 1e7
const kinds = ['register', 'register again', 'move', 'move', 'move', 'rename', 'log in'] as const

const ask = (world: World, town: Town, { name, commands, within }: Actor): Asked | undefined => {
  const { random, pick } = world
  const kind = pick(kinds)
  const email = pick(town.emails)
  const isKeyed = kind === 'register again' || (kind === 'move' && random.chance(0.2))
  const key = { commandId: `${kind} ${email}`, requestHash: email }
  const context = world.context(within, isKeyed ? { key } : {})
  const userId = town.users[random.below(town.users.length)]
  const asked = (work: Promise<{ value: Account; revision: number; position: bigint }>, check: (account: Account) => void) => ({
    what: `${kind} ${email} ${userId} (${context.correlationId})`,
    answered: answerOf(world, name, context, work, ({ done }: Answer<Account>) => done && check(done.value)),
  })
  if (kind === 'log in') return asked(commands.users.logIn(context, { email, password }), () => undefined)
  if (kind === 'register' || kind === 'register again')
    return asked(commands.users.register(context, { email, password }), (account) => {
      if (!world.log.stateOf(user, account.userId).registered) world.wrong(`${account.userId} was answered and is not there`)
      if (!isKeyed) return
      const before = town.byKey.get(email)
      if (before && before !== account.userId) world.wrong(`one key, two users: ${before} and ${account.userId}`)
      town.byKey.set(email, account.userId)
    })
  if (!userId) return undefined
  const change = kind === 'move' ? { email } : { name: `name ${random.below(3)}` }
  return asked(commands.users.edit(context, { userId, oldPassword: password, ...change }), (account) => {
    if (kind === 'move' && account.email !== email)
      world.wrong(`${userId} was moved to ${email} and is answered ${account.email}`)
  })
}

/** An e-mail that somebody has is theirs to log in with and nobody else's; one that nobody has is free, whatever was left half done. */
const checkEnd = async (world: World, { emails }: Town): Promise<void> => {
  const { users } = world.process('after')
  for (const email of emails) {
    const owner = world.log.idsOf(user).find((id) => isOf(world, id, email))
    const registered = await world.calmly(
      users.register(world.context(), { email, password }).then(
        () => 'done',
        (error: Error) => error.message,
      ),
    )
    const expected = owner ? 'EmailTaken' : 'done'
    if (registered !== expected) world.wrong(`registering ${email} is answered ${registered}, not ${expected}`)
    const { value } = await world.calmly(users.logIn(world.context(), { email, password }))
    if (owner && value.userId !== owner) world.wrong(`with ${email}, ${value.userId} is logged in, not ${owner}`)
  }
}

const isOf = (world: World, userId: string, email: string): boolean => {
  const state = world.log.stateOf(user, userId)
  return state.registered && state.email === email
}

/** Registrations and moves over the same few e-mails. */
export const playEmails = async (world: World): Promise<void> => {
  const { random, pick, log } = world
  const emails = ['x', 'y', 'z'].slice(0, 2 + random.below(2)).map(normaliseEmail)
  const { users: before } = world.process('before')
  const users: UserId[] = []
  for (const email of emails) {
    if (random.chance(0.4)) users.push((await world.calmly(before.register(world.context(), { email, password }))).value.userId)
  }
  const town: Town = { emails, users, byKey: new Map() }
  world.always(() => emailsWrong(log))
  world.faults({ lost: pick([0, 0, 0.05, 0.2]), late: pick([0, 0, 0.1]), sleep: pick([0, 0.1, 0.3]) })
  const processes = ['P1', 'P2', 'P3'].slice(0, 2 + random.below(2))
  for (const name of processes) {
    const commands = world.process(name, { cacheStreams: pick([1_000, 1, 2]), claimYoung: pick([0, 0, 0, 60_000]) })
    for (let n = 1 + random.below(3); n > 0; n--) {
      const within = pick([endless, endless, 30, 100, 400])
      world.ask(name, pick([0, 15 + random.below(25)]), () => ask(world, town, { name, commands, within }))
    }
  }
  const chance = pick([0, 0, 0.005, 0.02])
  const ended = await world.run(() => world.wrongs.length > 0 || !world.isBusy(), 4_000, { chance, processes })
  if (!ended && !processes.some(world.isDead)) world.wrong('commands were not answered in 4,000 steps')
  await world.killAll()
  if (world.wrongs.length > 0) return
  await checkEnd(world, town)
  const wrong = emailsWrong(log)
  if (wrong) world.wrong(wrong)
}
