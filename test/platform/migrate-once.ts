import { migrate } from '../../src/platform/database.js'

await migrate(process.argv[2]!)
