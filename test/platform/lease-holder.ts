import { connectDatabase } from '../../src/platform/database.js'
import { checkEpoch, keepLease } from '../../src/platform/lease.js'

// Holds the lease and, every few milliseconds, enters its epoch into the journal; stays in the last transaction when it is told to.
const [url, ttl] = [process.argv[2]!, Number(process.argv[3])]
const database = connectDatabase(url)
const { pool } = database
let stay = false
process.on('message', () => {
  stay = true
})

await keepLease({
  database,
  name: 'test',
  holder: `process ${process.pid}`,
  ttl,
  signal: new AbortController().signal,
  onAcquired: async ({ epoch, signal }) => {
    while (!signal.aborted) {
      const client = await pool.connect()
      let failure: Error | undefined
      client.on('error', () => undefined)
      try {
        await client.query('begin')
        await checkEpoch(client, 'test', epoch, ttl)
        await client.query('insert into journal (epoch) values ($1)', [epoch])
        if (stay) {
          process.send!('in the transaction')
          process.kill(process.pid, 'SIGSTOP')
        }
        await client.query('commit')
        process.send!(`entered ${epoch}`)
      } catch (error) {
        failure = error as Error
        process.send!(`refused: ${failure.message}`)
      } finally {
        client.release(failure)
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  },
})
