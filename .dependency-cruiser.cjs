// The layer table: what the code of a folder of src/ may import, beside its own folder. 'packages' are the npm ones and Node's own.
const layers = {
  domain: [],
  platform: ['packages'],
  eventstore: ['domain', 'platform', 'packages'],
  projections: ['domain', 'eventstore', 'platform', 'packages'],
  bridge: ['domain', 'eventstore', 'platform', 'packages'],
  commands: ['domain', 'eventstore', 'platform', 'packages'],
  queries: ['domain', 'eventstore', 'projections', 'platform', 'packages'],
  history: ['domain', 'eventstore', 'projections', 'platform', 'packages'],
  processes: ['commands', 'queries', 'domain', 'eventstore', 'platform', 'packages'],
  http: ['commands', 'queries', 'history', 'bridge', 'domain', 'platform', 'packages'],
  embedded: ['platform', 'packages'],
}

const packages = 'node_modules|^(node:)?[a-z0-9_/]+$'
const rules = Object.entries(layers).map(([layer, may]) => ({
  name: `layer-${layer}`,
  comment: `src/${layer} may import only ${[layer, ...may].join(', ')}`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { pathNot: [`^src/(${[layer, ...may].join('|')})/`, ...(may.includes('packages') ? [packages] : [])] },
}))

module.exports = {
  forbidden: [
    ...rules,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'known-folder',
      comment: 'A new folder of src/ needs its row in the layer table',
      severity: 'error',
      from: { path: `^src/(?!(${Object.keys(layers).join('|')}|cli|workers)/|(main|connect)\\.ts$)` },
      to: {},
    },
    {
      name: 'client-in-one-place',
      comment: 'eventstore/ is the only place that knows the client; the embedded node uses its generated messages',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(eventstore|embedded/eventstore)/' },
      to: { path: '@eventstore/db-client' },
    },
    { name: 'not-to-tests', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench)/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    parser: 'swc',
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
}
