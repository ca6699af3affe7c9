import { expect } from 'chai'
import { ConfigError, readConfig } from '../../src/platform/config.js'

describe('settings', () => {
  const refused = (env: NodeJS.ProcessEnv): string => {
    try {
      readConfig(env)
    } catch (error) {
      expect(error).to.be.instanceOf(ConfigError)
      return (error as Error).message
    }
    throw new Error('they were taken')
  }

  it('need not be there, and an empty one is not there', () => {
    expect(readConfig({ PORT: '', EMAIL_KEY: '', KAFKA_BROKERS: '', KAFKA_CA: '' })).to.deep.equal(readConfig({}))
    expect(readConfig({})).to.include({ port: 3_000, host: '127.0.0.1', kafkaBrokers: undefined })
  })

  it('are lists, where they are, of what stands between commas', () => {
    const [next, last] = ['abcdefgh'.repeat(4), 'stuvwxyz'.repeat(4)]
    const { kafkaBrokers, jwtSecrets } = readConfig({ KAFKA_BROKERS: 'a:1, b:2', JWT_SECRETS: `${next}, ${last}` })
    expect([kafkaBrokers, jwtSecrets]).to.deep.equal([
      ['a:1', 'b:2'],
      [next, last],
    ])
  })

  it('that can not be used are named, all of them, with what they are and should be', () => {
    const message = refused({ PORT: 'http', BCRYPT_COST: '99', DATABASE_URL: 'mysql://x', LOG_LEVEL: 'loud' })
    expect(message.split('\n')).to.have.length(4)
    expect(message)
      .to.match(/^PORT: must be a whole number from 0 to 65535 \(it is "http"\)$/m)
      .and.match(/^BCRYPT_COST: must be a whole number from 4 to 16 \(it is "99"\)$/m)
      .and.match(/^DATABASE_URL: must begin with postgres:\/\/$/m)
      .and.match(/^LOG_LEVEL: must be one of trace, debug, info, warn, error, silent \(it is "loud"\)$/m)
  })

  it('are not shown where they are secret', () => {
    expect(refused({ EMAIL_KEY: 'too short', EVENTSTORE_URL: 'http://user:word@host' })).to.not.match(/too short|word/)
  })

  it('that are no brokers are refused before anything is started', () => {
    for (const brokers of ['nonsense', 'a:1,', 'kafka://a:1', 'a:1, b']) {
      expect(refused({ KAFKA_BROKERS: brokers })).to.equal(
        `KAFKA_BROKERS: must be host:port, several by comma, such as localhost:9092 (it is ${JSON.stringify(brokers)})`,
      )
    }
    expect(readConfig({ KAFKA_BROKERS: '[::1]:9092' }).kafkaBrokers).to.deep.equal(['[::1]:9092'])
  })

  it('that contradict each other are refused, by the names of both', () => {
    for (const env of [{ COMMAND_DEADLINE: '30000' }, { RECOVERY_DELAY: '100' }, { COMMAND_DEADLINE: '20000' }]) {
      expect(refused(env)).to.match(
        /^RECOVERY_DELAY: must be longer than COMMAND_DEADLINE.* \(\d+ ms is not longer than \d+ ms\)$/,
      )
    }
    expect(readConfig({ COMMAND_DEADLINE: '30000', RECOVERY_DELAY: '40000' }).recoveryDelay).to.equal(40_000)
  })

  it('that are secrets and can be guessed are refused, and not shown', () => {
    const weak = /^JWT_SECRETS: each must have at least 32 characters, 8 of them different: /
    const good = 'abcdefgh'.repeat(4)
    for (const secrets of [`${good},a`, 's'.repeat(64), `${good},${'abcdefg'.repeat(9)}`])
      expect(refused({ JWT_SECRETS: secrets }), secrets)
        .to.match(weak)
        .and.not.contain('ssss')
    expect(readConfig({ JWT_SECRETS: good }).jwtSecrets).to.deep.equal([good])
  })

  it('that say how Kafka is reached, and not where, are refused', () => {
    const message = refused({ KAFKA_BROKER: 'a:1', KAFKA_CA: 'ca.pem', KAFKA_SASL_USERNAME: 'u', KAFKA_PORT: 'tcp://1' })
    expect(message.split('\n').map((line) => line.split(':')[0])).to.deep.equal([
      'KAFKA_BROKER',
      'KAFKA_CA',
      'KAFKA_SASL_USERNAME',
    ])
    expect(message).to.include('KAFKA_BROKERS')
    expect(readConfig({ KAFKA_BROKERS: 'a:1', KAFKA_CA: 'ca.pem' }).kafkaBrokers).to.deep.equal(['a:1'])
  })
})
