import { platform } from './0001_platform.js'
import { projections } from './0002_projections.js'
import { bridge } from './0003_bridge.js'
import type { Migration } from './migration.js'

/** In the order in which they run. One that was released is never changed, renamed or left out. */
export const migrations: readonly Migration[] = [platform, projections, bridge]
