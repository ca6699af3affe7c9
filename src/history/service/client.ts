import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Answering, NotAnswered, type Question } from './question.js'

export type HistoryService = {
  /**
   * The answer's bytes, once the first of them are there; it breaks off with an error where something goes wrong later. Destroying it, or the
   * signal, ends the query. Throws `NotAnswered`.
   */
  readonly ask: (question: Question, signal: AbortSignal) => Promise<Readable>
  readonly close: () => Promise<void>
}

export type HistoryServiceOptions = Omit<Answering, 'socket'> & {
  /** Milliseconds without a question after which the process is ended; the next question starts another. Default ten minutes. */
  readonly idle?: number
  /** Told of what went wrong there that is not the question's fault. */
  readonly onWarning: (message: string) => void
}

type Answerer = { readonly socket: string; readonly child: ChildProcess; readonly stop: () => Promise<void> }

const script = fileURLToPath(new URL(`./process${extname(import.meta.url)}`, import.meta.url))

/** Has questions in SQL answered in a process of its own, which is started with the first of them. */
export const createHistoryService = ({ idle = 600_000, onWarning, ...settings }: HistoryServiceOptions): HistoryService => {
  let running: Promise<Answerer> | undefined
  let timer: NodeJS.Timeout | undefined
  let open = 0

  const answerer = (): Promise<Answerer> => {
    if (running) return running
    const starting = start(settings, onWarning)
    running = starting
    const forget = (): void => {
      if (running === starting) running = undefined
    }
    starting.then(({ child }) => child.once('exit', forget), forget)
    return starting
  }

  const stop = async (): Promise<void> => {
    const stopping = running
    running = undefined
    await (await stopping?.catch(() => undefined))?.stop()
  }

  /** Counts the questions that are open, so that nobody's is ended for want of others. */
  const opened = (): (() => void) => {
    clearTimeout(timer)
    open++
    let isOpen = true
    return () => {
      if (!isOpen) return
      isOpen = false
      if (--open === 0) timer = setTimeout(() => void stop(), idle).unref()
    }
  }

  return {
    ask: async (question, signal) => {
      const closed = opened()
      try {
        const answer = await post((await answerer()).socket, question, signal)
        answer.once('close', closed)
        return answer
      } catch (error) {
        closed()
        throw error
      }
    },
    close: async () => {
      clearTimeout(timer)
      await stop()
    },
  }
}

const start = async (settings: Omit<Answering, 'socket'>, onWarning: (message: string) => void): Promise<Answerer> => {
  const folder = await mkdtemp(join(tmpdir(), 'tillroll-'))
  const socket = join(folder, 'history')
  const child = fork(script, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  }
  const said = new Promise<string>((resolve) =>
    child.on('message', (message: string | { readonly warning: string }) =>
      typeof message === 'string' ? resolve(message) : onWarning(message.warning),
    ),
  )
  child.send({ ...settings, socket })
  const first = await Promise.race([said, exited.then(() => 'it ended at once')])
  if (first === 'ready') {
    void exited.then(() => rm(folder, { recursive: true, force: true }))
    return { socket, child, stop }
  }
  await stop()
  throw new NotAnswered(503, `the history can not be asked at the moment: ${first}`)
}

const post = (socketPath: string, question: Question, signal: AbortSignal): Promise<Readable> =>
  new Promise((resolve, reject) => {
    const asking = request({ socketPath, method: 'POST', signal })
    asking.once('response', (answer) => {
      if (answer.statusCode === 200) resolve(answer)
      else refusal(answer).then(reject, reject)
    })
    asking.once('error', (error) =>
      reject(signal.aborted ? error : new NotAnswered(503, 'the process that answers has ended; try again in a moment')),
    )
    asking.end(JSON.stringify(question))
  })

const refusal = async (answer: IncomingMessage): Promise<NotAnswered> => {
  let said = ''
  for await (const chunk of answer.setEncoding('utf8')) said += chunk
  return new NotAnswered(answer.statusCode ?? 500, said)
}
