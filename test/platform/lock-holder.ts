import { holdLock } from '../../src/platform/folder-lock.js'

// Takes the lock of the folder, says so, and stays.
holdLock(process.argv[2]!).then(
  () => {
    process.send!('held')
    setInterval(() => undefined, 60_000)
  },
  (error: Error) => process.send!(error.name),
)
