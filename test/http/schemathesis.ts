import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, spawnCli, spawnShop } from '../support/spawn-shop.js'
import { password, sendTo } from './client.js'

// Starts a shop, gives it something to be asked for, and lets schemathesis ask. `test/schemathesis.sh` runs it.

const { SCHEMATHESIS = 'schemathesis', SECONDS_TO_RUN = '60' } = process.env

const checks = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance'

/** Ends with the exit code of schemathesis: other than 0 where it found something. */
const main = async (): Promise<number> => {
  const data = await mkdtemp(join(tmpdir(), 'tillroll-schemathesis-'))
  const port = await freePort()
  // Nothing that is refused for its number is looked at.
  const env = { RATE_LIMIT: '0', LOGIN_RATE_LIMIT: '0', LOG_LEVEL: 'error' }
  const shop = await spawnShop({ data, port, env })
  try {
    const token = await staffToken(shop.url, { ...env, TILLROLL_DATA: data })
    for (const name of ['Tea', 'Milk'])
      await sendTo(shop.url, 'POST /products/new', { body: { name, stock: 1_000, price: 2 }, headers: bearer(token) })
    const code = await ask(shop.url, token, data)
    const ready = await fetch(`${shop.url}/health/ready`)
    if (ready.status !== 200) throw new Error(`the shop is not ready after it: ${ready.status} ${await ready.text()}`)
    return code
  } finally {
    await shop.stop()
    if (/"level":(50|60)/.test(shop.output())) process.stderr.write(shop.output())
    await rm(data, { recursive: true })
  }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

const staffToken = async (url: string, env: NodeJS.ProcessEnv): Promise<string> => {
  const body = { email: 'staff@example.org', password }
  await sendTo(url, 'POST /register', { body })
  const [code] = await once(spawnCli(['users', 'grant', body.email, 'staff'], env), 'exit')
  if (code !== 0) throw new Error('nobody could be made staff')
  const { body: answer } = await sendTo<{ access_token: string }>(url, 'POST /login', { body })
  return answer.access_token
}

const config = fileURLToPath(new URL('./schemathesis.toml', import.meta.url))

/** What it keeps for another run is not ours: it works in a folder that goes. */
const ask = async (url: string, token: string, cwd: string): Promise<number> => {
  const what = [
    '--config-file',
    config,
    'run',
    `${url}/openapi.json`,
    '--checks',
    checks,
    '--phases',
    'examples,coverage,fuzzing',
  ]
  // One worker: with two, Python 3.11's parser fails by itself now and then.
  const how = ['--max-time', SECONDS_TO_RUN, '--continue-on-failure', '--suppress-health-check', 'all', '--warnings', 'off']
  const args = [...what, ...how, '--header', `Authorization: Bearer ${token}`]
  const [code] = (await once(spawn(SCHEMATHESIS, args, { stdio: 'inherit', cwd }), 'exit')) as [number | null]
  return code ?? 1
}

process.exitCode = await main()
