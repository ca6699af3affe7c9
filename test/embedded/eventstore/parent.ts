/** Starts an event store, says where it is, and waits to be killed. */
import { spawnEventStore } from '../../../src/embedded/eventstore/spawn.js'

const { pid, url } = await spawnEventStore({ folder: process.argv[2]! })
process.send!({ pid, url })
setInterval(() => undefined, 1_000)
