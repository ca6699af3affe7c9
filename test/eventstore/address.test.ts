import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { assertAddress } from '../../src/eventstore/address.js'
import { ConfigError } from '../../src/platform/config.js'

describe('the address of an event store', () => {
  const ca = fileURLToPath(new URL('fixtures/cert.pem', import.meta.url))

  for (const address of [
    'esdb://localhost:2113?tls=false',
    'esdb://localhost',
    'esdb://user:secret%40%2F@one.example:2113,two.example:2113,three.example',
    'esdb+discover://user:secret@store.example?keepAliveInterval=5000&node-preference=leader',
    `esdb://user:secret@localhost:2113?tlsCAFile=${ca}&tlsVerifyCert=true`,
    'esdb://localhost:2113/?tls=false&tlsCAFile=/not/there.pem',
  ]) {
    it(`may be ${address.replace(ca, 'cert.pem')}`, () => assertAddress(address))
  }

  for (const [address, told] of [
    ['esdb://user:secret@localhost?frobnicate=1', /"frobnicate" is no option of an address; there are tls, tlsCAFile/],
    ['esdb://user:secret@localhost?tls=maybe', /true or false is expected at character 34/],
    ['esdb://user:secret@localhost?tlsVerifyCert=false', /certificates are always verified: tlsCAFile=<file>/],
    ['esdb://user:secret@localhost?tlsCAFile=/not/there.pem', /tlsCAFile \/not\/there.pem can't be read \(ENOENT\)/],
    ['esdb://user:secret@localhost?userCertFile=/a.pem', /userCertFile and userKeyFile are given together/],
    ['esdb://user:se@cret@localhost', /@ as %40/],
    ['esdb://user:se:cret@localhost', /: as %3A/],
    ['esdb://user:se/cret@localhost', /\/ as %2F/],
    ['esdb://secret@localhost', /written user:password@host/],
    ['esdb://user:secret%@localhost', /a % in it begins no percent-encoded character/],
    ['esdb://', /is expected at character/],
    ['esdb://user:secret@localhost:port', /port number is expected/],
  ] as const) {
    it(`is refused in words where it is ${address}`, async () => {
      const error = await assertAddress(address).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).to.be.instanceOf(ConfigError)
      expect((error as Error).message)
        .to.match(/^EVENTSTORE_URL: /)
        .and.match(told)
        .and.not.match(/secret|cret@|se@/)
    })
  }
})
