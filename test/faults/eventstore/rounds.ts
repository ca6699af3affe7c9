/** Runs rounds until there were enough or the time is over. ROUNDS, SECONDS and SEED (the first) are read from the environment. */
export const runRounds = async (
  standard: { readonly name: string; readonly rounds: number; readonly seconds: number },
  round: (seed: number) => Promise<readonly string[]>,
): Promise<void> => {
  const rounds = Number(process.env.ROUNDS || standard.rounds)
  const seconds = Number(process.env.SECONDS || standard.seconds)
  const first = Number(process.env.SEED || Date.now() % 1_000_000_000)
  const until = Date.now() + seconds * 1_000
  console.log(`from seed ${first}: up to ${rounds} ${standard.name}, ${seconds} s`)
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
