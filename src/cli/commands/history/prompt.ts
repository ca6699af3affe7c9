import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { statementsOf } from '../../../history/engine/statement.js'
import { views } from '../../../history/engine/views.js'

const keywords = (
  'select from where group by order limit join left using on as and or not in is null distinct count sum avg min max ' +
  'date_trunc interval between like ilike having union all with case when then else end desc asc unnest cast describe summarize explain'
).split(' ')

const remembered = 1_000

export type PromptOptions = {
  /** In which the lines that were typed are kept for the next time. */
  readonly folder: string
  readonly explainSchema: () => void
  readonly run: (statement: string, signal: AbortSignal) => Promise<void>
  /** A terminal. Default: this process's. */
  readonly input?: NodeJS.ReadableStream
  readonly output?: NodeJS.WritableStream
}

/** Asks for statements until there are no more; each ends with a semicolon. Ctrl-C ends a query, or forgets what is half typed. */
export const prompt = async ({
  folder,
  explainSchema,
  run,
  input = process.stdin,
  output = process.stdout,
}: PromptOptions): Promise<void> => {
  const file = join(folder, 'prompt')
  await mkdir(folder, { recursive: true })
  const history = (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(Boolean).slice(-remembered).reverse()
  const lines = createInterface({
    input,
    output,
    terminal: true,
    history,
    historySize: remembered,
    completer: completerOf(namesToComplete()),
  })
  output.write('Statements end with a semicolon. \\d shows the views and their columns, \\q ends.\n')
  let typed = ''
  let running: AbortController | undefined
  lines.on('SIGINT', () => {
    if (running) running.abort()
    else {
      typed = ''
      // To its end, and away with it.
      for (const name of ['e', 'u']) lines.write(null, { ctrl: true, name })
      output.write('\n')
      ask()
    }
  })
  const ask = (): void => {
    lines.setPrompt(typed === '' ? 'history> ' : '      -> ')
    lines.prompt()
  }
  ask()
  for await (const line of lines) {
    if (typed === '' && /^\\q\s*$/.test(line)) break
    if (typed === '' && /^\\d\s*$/.test(line)) explainSchema()
    else if (line.trim() !== '' || typed !== '') {
      typed += `${line}\n`
      await appendFile(file, `${line}\n`, { mode: 0o600 })
    }
    if (isFinished(typed)) {
      const text = typed
      typed = ''
      for (const statement of statementsOf(text)) {
        running = new AbortController()
        const { signal } = running
        await run(statement, signal).catch((error: Error) => output.write(`${error.message}\n`))
        running = undefined
        if (signal.aborted) break
      }
    }
    ask()
  }
  lines.close()
  output.write('\n')
}

const isFinished = (text: string): boolean => /;\s*$/.test(text)

const namesToComplete = (): readonly string[] => {
  const known = views()
  return [
    ...new Set([
      ...known.map(({ name }) => name),
      ...known.flatMap(({ columns }) => columns.map(({ name }) => name)),
      ...keywords,
    ]),
  ].sort()
}

/** Completes the word before the cursor. */
export const completerOf =
  (names: readonly string[]) =>
  (line: string): [string[], string] => {
    const word = /[\w\\]*$/.exec(line)![0]
    return [word === '' ? [] : names.filter((name) => name.startsWith(word.toLowerCase())), word]
  }
