import { startPostgres } from '../../../src/embedded/postgres/server.js'

// Starts the server, says where it is, and stays.
const { url, pid } = await startPostgres({ folder: process.argv[2]! })
process.send!({ url, pid })
setInterval(() => undefined, 60_000)
