/**
 * The connection between the bridge and the broker, or Postgres, is cut between question and answer: what was sent is done, and the
 * bridge doesn't know.
 */
import { type Broker, freePort, startBroker } from './broker.js'
import { type CutProxy, startProxy } from './proxy.js'
import { kafkaBrokers, pause, runFault } from './rounds.js'

let proxy: CutProxy
let broker: Broker | undefined
if (kafkaBrokers()) {
  const listener = await freePort()
  const towards = await startProxy(listener)
  broker = await startBroker({ listener, advertised: towards.port })
  proxy = towards
}
const toKafka = broker && proxy!

await runFault(
  {
    name: 'a connection cut between question and answer',
    bridges: 2,
    lookEvery: 10,
    through: async ({ databaseUrl, kafkaBrokers: brokers }) => {
      if (brokers) {
        proxy = toKafka!
        return { kafkaBrokers: [`127.0.0.1:${proxy.port}`] }
      }
      const url = new URL(databaseUrl)
      proxy = await startProxy(Number(url.port))
      url.port = `${proxy.port}`
      return { databaseUrl: url.href }
    },
    round: async (rig, random) => {
      await rig.holder()
      await pause(random(50, 500))
      await proxy.cut(random(0, 40))
    },
    end: async () => {
      await proxy.close()
      await broker?.remove()
    },
  },
  { ...(broker && { brokers: broker.brokers }), kinds: ['postgres', 'kafka'] },
)
