import { expect } from 'chai'
import { StoreUnavailable } from '../../../src/eventstore/store.js'
import { ReadModelMissing } from '../../../src/history/engine/loader.js'
import { errorMessage } from '../../../src/history/wire/errors.js'

describe("an error over PostgreSQL's protocol", () => {
  it('says with a SQLSTATE what is away, or full, and nothing of the inside', () => {
    for (const [error, sqlstate, said] of [
      [new StoreUnavailable('connect ECONNREFUSED 10.0.0.7:2113'), '57P03', 'the event store does not answer'],
      [
        Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), { code: 'ECONNREFUSED' }),
        '57P03',
        'the database does not answer',
      ],
      [new ReadModelMissing('the read model orders is not built yet'), '57P03', 'not built yet'],
      [Object.assign(new Error('ENOSPC: /srv/data'), { code: 'ENOSPC' }), '53100', 'the disk is full'],
      [new Error('IO Error: Could not write file "/srv/data/x": No space left on device'), '53100', 'the disk is full'],
    ] as const) {
      const message = errorMessage(error).toString('utf8')
      expect(message).to.contain(`\0C${sqlstate}\0M`).and.contain(said)
      expect(message).not.to.match(/10\.0\.0\.7|\/srv/)
    }
  })
})
