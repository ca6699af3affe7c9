/** As many rounds as ROUNDS says, or as fit into SECONDS (60 where neither is given); SEED is the first one's. The last line is `N passed, N failed`. */
export const runRounds = async (name: string, round: (seed: number) => Promise<readonly string[]>): Promise<void> => {
  const rounds = Number(process.env.ROUNDS ?? Number.POSITIVE_INFINITY)
  const seconds = Number(process.env.SECONDS ?? (process.env.ROUNDS ? Number.POSITIVE_INFINITY : 60))
  const first = Number(process.env.SEED ?? Date.now() % 1_000_000_000)
  const until = Date.now() + seconds * 1_000
  console.log(`from seed ${first}: ${name}, up to ${rounds} or for ${seconds} s`)
  let passed = 0
  let failed = 0
  for (let seed = first; seed < first + rounds && Date.now() < until; seed++) {
    const wrong = await round(seed).catch((error: Error) => [error.stack ?? error.message])
    if (wrong.length === 0) passed++
    else {
      failed++
      console.log(`SEED=${seed} ROUNDS=1:`)
      for (const line of wrong.slice(0, 10)) console.log(`  ${line}`)
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
}
