import type { OpenApi, Operation } from './openapi.js'

/** The OpenAPI document as one page for people: no script, and nothing loaded from elsewhere. */
export const docsPage = ({ info, paths }: OpenApi): string => {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => section(method.toUpperCase(), path, operation)),
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(info.title)}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 55rem; margin: 2rem auto; padding: 0 1rem }
h2 { font-size: 1.1rem; margin: 2rem 0 0 }
code, pre { font: .85rem/1.4 ui-monospace, monospace }
pre { background: #8881; padding: .75rem; overflow: auto }
td { padding-right: 1rem; vertical-align: top }
</style>
<h1>${escapeHtml(info.title)}</h1>
<p>${escapeHtml(info.description)} The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
${operations.join('\n')}
</html>
`
}

const section = (
  method: string,
  path: string,
  { summary, description, parameters, requestBody, responses }: Operation,
): string => `
<h2><code>${method} ${escapeHtml(path)}</code></h2>
<p>${escapeHtml(summary)}. ${escapeHtml(description)}</p>
${parameters.length > 0 ? `<p>${parameters.map(({ name, in: place }) => `<code>${escapeHtml(name)}</code> (${place})`).join(', ')}</p>` : ''}
${requestBody ? details('Request body', requestBody.content) : ''}
<table>${Object.entries(responses)
  .map(([status, { description: meaning }]) => `<tr><td>${status}<td>${escapeHtml(meaning)}`)
  .join('')}</table>
${details('Answers', Object.fromEntries(Object.entries(responses).map(([status, { content }]) => [status, content])))}`

const details = (title: string, value: unknown): string =>
  `<details><summary>${title}</summary><pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre></details>`

const entities: { readonly [character: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character]!)
