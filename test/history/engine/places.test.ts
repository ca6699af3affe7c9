import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { blockSize, createSurvey, type Places, readPlaces, stretchesOf, writePlaces } from '../../../src/history/engine/places.js'
import { inRange, type Range } from '../../../src/history/engine/range.js'

const event = (position: number) => ({ id: `e${position}`, position: BigInt(position), preparePosition: BigInt(position) })

describe('where things are in the history', () => {
  let folder: string
  before(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'tillroll-places-')), 'history')
  })
  after(() => rm(join(folder, '..'), { recursive: true }))

  const surveyed = (count: number, known: Places = []) => {
    const survey = createSurvey(known)
    for (let i = 1; i <= count; i++) survey.saw(event(i), i)
    return survey.places()
  }
  const store = (id?: string) => ({ eventAt: async () => (id ? ({ id } as never) : undefined) })

  it('is noted block by block, once for each event, and goes on where it ended', () => {
    const places = surveyed(2 * blockSize + 5)
    expect(places.map(({ end, minAt, maxAt }) => [end.commit, minAt, maxAt])).to.deep.equal([
      [BigInt(blockSize), 1, blockSize],
      [BigInt(2 * blockSize), blockSize + 1, 2 * blockSize],
    ])
    expect(surveyed(3 * blockSize, places)).to.have.length(3)
  })

  it('is kept for the store that it is of, as it stands', async () => {
    const places = surveyed(2 * blockSize)
    await writePlaces(folder, 'store', places)
    const last = places.at(-1)!.id
    expect(await readPlaces(folder, store(last), 'store')).to.deep.equal(places)
    expect(await readPlaces(folder, store(last), 'another')).to.deep.equal([])
    expect(await readPlaces(folder, store('other'), 'store')).to.deep.equal([])
    expect(await readPlaces(folder, store(), 'store')).to.deep.equal([])
    await writeFile(join(folder, 'places.json'), '{"storeId": "st')
    expect(await readPlaces(folder, store(last), 'store')).to.deep.equal([])
    expect(await readPlaces(join(folder, 'none'), store(last), 'store')).to.deep.equal([])
  })

  it('leaves out of a reading only what holds nothing of the range', () => {
    const times = fc.array(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 2, maxLength: 4 }), { maxLength: 8 })
    const bound = fc.option(
      fc.oneof(
        fc.integer({ min: 0, max: 50 }).map((ms) => ({ time: new Date(ms).toISOString() })),
        fc.integer({ min: 0, max: 40 }).map((position) => ({ position: BigInt(position) })),
      ),
      { nil: undefined },
    )
    fc.assert(
      fc.property(times, fc.array(fc.integer({ min: 0, max: 50 })), bound, bound, (blocks, tail, from, to) => {
        let position = 0
        const all: { position: bigint; at: number }[] = []
        const put = (at: number) => all.push({ position: BigInt(++position), at })
        const places: Places = blocks.map((block) => {
          for (const at of block) put(at)
          const end = { commit: BigInt(position), prepare: BigInt(position) }
          return { end, id: `${position}`, minAt: Math.min(...block), maxAt: Math.max(...block) }
        })
        for (const at of tail) put(at)
        const range: Range = { from, to }
        const within = inRange(range)
        const stretches = stretchesOf(places, range)
        const read = stretches.flatMap(({ after, upTo }) =>
          all.filter((one) => one.position > (after?.end.commit ?? -1n) && (upTo === undefined || one.position <= upTo)),
        )
        const wanted = (events: typeof all) => events.filter((one) => within(one.position, one.at))
        expect(wanted(read)).to.deep.equal(wanted(all))
      }),
    )
  })

  it('skips what is known to lie outside of a time', () => {
    const places = surveyed(5 * blockSize)
    const range = {
      from: { time: new Date(2 * blockSize + 10).toISOString() },
      to: { time: new Date(3 * blockSize + 10).toISOString() },
    }
    const stretches = stretchesOf(places, range).map(({ after, upTo }) => [after?.end.commit, upTo])
    expect(stretches).to.deep.equal([
      [BigInt(2 * blockSize), BigInt(4 * blockSize)],
      [BigInt(5 * blockSize), undefined],
    ])
  })
})
