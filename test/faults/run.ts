import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'

/**
 * The long tests, one after the other. Each is a script that takes SECONDS (its time budget), SEED and ROUNDS by environment and ends with
 * a line `N passed, N failed`. `npm run test:faults -- <word>` runs those whose path holds the word; FAULTS_SCALE scales the budgets.
 */
const parts: readonly { readonly script: string; readonly seconds: number }[] = [
  { script: 'eventstore/kill.ts', seconds: 360 },
  { script: 'eventstore/power.ts', seconds: 240 },
  { script: 'projections/faults.ts', seconds: 360 },
  { script: 'bridge/kill.ts', seconds: 220 },
  { script: 'bridge/zombie.ts', seconds: 70 },
  { script: 'bridge/fence.ts', seconds: 50 },
  { script: 'bridge/cut.ts', seconds: 50 },
  { script: 'bridge/store.ts', seconds: 50 },
  { script: 'bridge/broker-kill.ts', seconds: 70 },
  { script: 'bridge/other-consumer.ts', seconds: 30 },
  { script: 'commands/schedules.ts', seconds: 120 },
  { script: 'chaos/shop.ts', seconds: 480 },
]

const scale = Number(process.env.FAULTS_SCALE ?? 1)
const seed = Number(process.env.SEED ?? randomInt(2 ** 31))
const word = process.argv[2] ?? ''
const total = { passed: 0, failed: 0 }

const runPart = (script: string, seconds: number): Promise<{ passed: number; failed: number }> =>
  new Promise((resolve) => {
    const env = { ...process.env, SECONDS: String(Math.max(1, Math.round(seconds * scale))), SEED: String(seed) }
    const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL(script, import.meta.url))], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk)
      output = (output + chunk.toString()).slice(-4_000)
    })
    // A script that hangs beyond its budget has failed.
    const timer = setTimeout(() => child.kill('SIGKILL'), (seconds * scale * 2 + 120) * 1000)
    child.on('close', (code) => {
      clearTimeout(timer)
      const [, passed, failed] = /(\d+) passed, (\d+) failed\s*$/.exec(output) ?? []
      const counted = { passed: Number(passed ?? 0), failed: Number(failed ?? 0) }
      const silent = counted.passed + counted.failed === 0
      resolve({ passed: counted.passed, failed: (code !== 0 || silent) && counted.failed === 0 ? 1 : counted.failed })
    })
  })

for (const { script, seconds } of parts.filter((part) => part.script.includes(word))) {
  console.log(`\n${script}: ${Math.round(seconds * scale)} s, SEED=${seed}`)
  const { passed, failed } = await runPart(script, seconds)
  total.passed += passed
  total.failed += failed
}
console.log(`\n${total.passed} passed, ${total.failed} failed`)
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)
