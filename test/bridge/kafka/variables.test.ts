import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readKafkaSettings } from '../../../src/bridge/kafka/settings.js'
import { readConfig } from '../../../src/platform/config.js'

describe('the variables of the Kafka that the tests start', () => {
  it('let a shop that is started in the same shell publish to its plain listener', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tillroll-kafka-'))
    try {
      writeFileSync(join(folder, 'port'), '19092\n')
      const printed = execFileSync('bash', ['test/kafka.sh', 'env', '--dir', folder], { encoding: 'utf8' })
      const env = Object.fromEntries([...printed.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!]))
      const { kafkaBrokers } = readConfig(env)
      expect(kafkaBrokers).to.deep.equal(['127.0.0.1:19092'])
      expect(readKafkaSettings(kafkaBrokers!, env)).to.deep.include({ tls: false, sasl: undefined })
      expect(env.TEST_KAFKA_TLS_BROKERS).to.equal('localhost:19094')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
