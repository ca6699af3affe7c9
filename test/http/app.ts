import { startTestApp, type TestApp } from '../support/app.js'
import { closeAtTheEnd } from '../support/closing.js'

let running: Promise<TestApp> | undefined

/** One app for the files of this folder. */
export const app = (): Promise<TestApp> => (running ??= start())

const start = async (): Promise<TestApp> => {
  const started = await startTestApp({ READ_AFTER_WAIT: '500' })
  closeAtTheEnd(async () => {
    running = undefined
    await started.stop()
  })
  return started
}

/** The position of the newest event that there is. */
export const lastPosition = async (): Promise<bigint> => (await (await app()).store.last())?.position ?? -1n
