import { expect } from 'chai'
import { type Decider, type DomainEvent, Rejected, type RejectionReason } from '../../src/domain/decider.js'

/** A scenario for one decider: the events that there are, the command, and what must come of it. */
export const scenarios = <State, Command, Event extends DomainEvent>(decider: Decider<State, Command, Event>) => {
  const fold = (events: readonly Event[], from: State = decider.initial) =>
    events.reduce((state, event, revision) => decider.evolve(state, event, revision), from)
  return {
    fold,
    given: (...events: readonly Event[]) => ({
      when: (command: Command) => ({
        then: (...expected: readonly Event[]) => expect(decider.decide(command, fold(events))).to.deep.equal(expected),
        rejected: (reason: RejectionReason, detail?: object) => {
          try {
            const events_ = decider.decide(command, fold(events))
            expect.fail(`not rejected, but ${JSON.stringify(events_)}`)
          } catch (error) {
            if (!(error instanceof Rejected)) throw error
            expect(error.reason).to.equal(reason)
            if (detail) expect(error.detail).to.deep.equal(detail)
          }
        },
      }),
    }),
  }
}
