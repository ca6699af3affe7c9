/** One line or row of bars: a number for each label, where there is one. */
export type Series = { readonly name: string; readonly values: readonly (number | undefined)[] }

export type Chart = { readonly title: string; readonly labels: readonly string[]; readonly series: readonly Series[] }

type Row = { readonly [column: string]: unknown }

/** The columns with numbers in them, under the labels of the column that names the rows: by default the first that has none. Throws where there are none. */
export const chartOf = (title: string, rows: readonly Row[], labelled?: string): Chart => {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const isNumeric = (column: string): boolean => rows.some((row) => typeof row[column] === 'number')
  const label = labelled ?? columns.find((column) => !isNumeric(column))
  const numeric = columns.filter((column) => column !== label && isNumeric(column))
  if (numeric.length === 0) throw new Error('there is nothing to plot: no column of the result has numbers in it')
  const number = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined)
  return {
    title,
    labels: rows.map((row, i) => (label === undefined ? `${i + 1}` : `${row[label] ?? ''}`)),
    series: numeric.map((name) => ({ name, values: rows.map((row) => number(row[name])) })),
  }
}

const widest = 60

/** For a terminal: a bar for each label, one series under the other. */
export const barsOf = ({ labels, series }: Chart): string => {
  const width = Math.max(...labels.map((label) => label.length))
  return series
    .map(({ name, values }) => {
      const most = Math.max(Number.MIN_VALUE, ...values.map((value) => Math.abs(value ?? 0)))
      const digits = Math.max(...values.map((value) => textOf(value).length))
      const lines = values.map((value, i) => {
        const bar = (value ?? 0) < 0 ? '░' : '█'
        const drawn = bar.repeat(Math.ceil((widest * Math.abs(value ?? 0)) / most))
        return `${labels[i]!.padEnd(width)}  ${textOf(value).padStart(digits)}  ${drawn}`.trimEnd()
      })
      return `${name}\n${lines.join('\n')}\n`
    })
    .join('\n')
}

const textOf = (value: number | undefined): string => (value === undefined ? '-' : `${Number(value.toPrecision(12))}`)

const size = { width: 960, height: 480, left: 80, right: 24, top: 48, bottom: 96 }
const colours = ['#1b6ca8', '#d1495b', '#2e8b57', '#edae49', '#7a5195', '#4d4d4d']
const family = 'DejaVu Sans, sans-serif'

/** As a drawing: lines where the rows are times, else bars. */
export const svgOf = (chart: Chart, style: 'lines' | 'bars'): string => {
  const { labels, series, title } = chart
  const all = series.flatMap(({ values }) => values.filter((value) => value !== undefined))
  const ticks = ticksOf(Math.min(0, ...all), Math.max(0, ...all))
  const [low, high] = [ticks[0]!, ticks.at(-1)!]
  const inner = { width: size.width - size.left - size.right, height: size.height - size.top - size.bottom }
  const slot = inner.width / Math.max(1, labels.length)
  const x = (i: number): number => size.left + slot * (i + 0.5)
  const y = (value: number): number => size.top + inner.height * (1 - (value - low) / (high - low))
  const draw = style === 'lines' ? linesOf : columnsOf
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="0 0 ${size.width} ${size.height}" font-family="${family}" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="${size.left}" y="22" font-size="15" fill="#222">${escaped(title)}</text>`,
    ...legendOf(series),
    ...ticks.map((tick) => {
      const at = rounded(y(tick))
      return `<line x1="${size.left}" x2="${size.width - size.right}" y1="${at}" y2="${at}" stroke="${tick === 0 ? '#888' : '#ddd'}"/><text x="${size.left - 8}" y="${rounded(at + 4)}" text-anchor="end" fill="#444">${textOf(tick)}</text>`
    }),
    ...labelsOf(labels, x),
    ...series.map(({ values }, n) => draw(values, { x, y, slot, n, of: series.length, colour: colours[n % colours.length]! })),
    '</svg>\n',
  ].join('\n')
}

type Pen = {
  readonly x: (i: number) => number
  readonly y: (value: number) => number
  readonly slot: number
  readonly n: number
  readonly of: number
  readonly colour: string
}

/** Broken where there is no number. */
const linesOf = (values: Series['values'], { x, y, colour }: Pen): string => {
  let pen = 'M'
  const path = values.map((value, i) => {
    if (value === undefined) {
      pen = 'M'
      return ''
    }
    const step = `${pen}${rounded(x(i))} ${rounded(y(value))}`
    pen = 'L'
    return step
  })
  const dots = values.flatMap((value, i) =>
    value === undefined || values.length > 120
      ? []
      : [`<circle cx="${rounded(x(i))}" cy="${rounded(y(value))}" r="2.5" fill="${colour}"/>`],
  )
  return `<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="1.8"/>${dots.join('')}`
}

const columnsOf = (values: Series['values'], { x, y, slot, n, of, colour }: Pen): string => {
  const width = (slot * 0.8) / of
  return values
    .map((value, i) => {
      if (value === undefined) return ''
      const [top, bottom] = [Math.min(y(value), y(0)), Math.max(y(value), y(0))]
      return `<rect x="${rounded(x(i) - slot * 0.4 + n * width)}" y="${rounded(top)}" width="${rounded(width)}" height="${rounded(bottom - top)}" fill="${colour}"/>`
    })
    .join('')
}

const legendOf = (series: readonly Series[]): readonly string[] => {
  let at = size.left
  return series.map(({ name }, n) => {
    const item = `<rect x="${at}" y="32" width="10" height="10" fill="${colours[n % colours.length]}"/><text x="${at + 14}" y="41" fill="#444">${escaped(name)}</text>`
    at += 34 + 7 * name.length
    return item
  })
}

/** As many as can be read. */
const labelsOf = (labels: readonly string[], x: (i: number) => number): readonly string[] => {
  const each = Math.ceil(labels.length / 24)
  const at = size.height - size.bottom + 14
  return labels.flatMap((label, i) => {
    if (i % each !== 0) return []
    const short = label.length > 18 ? `${label.slice(0, 17)}…` : label
    return [
      `<text transform="translate(${rounded(x(i) + 4)} ${at}) rotate(-40)" text-anchor="end" fill="#444">${escaped(short)}</text>`,
    ]
  })
}

/** Round numbers around both, some five of them. */
const ticksOf = (low: number, high: number): readonly number[] => {
  const span = high - low || 1
  const rough = span / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough)!
  const [first, last] = [Math.floor(low / step), Math.ceil((low + span) / step)]
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

const rounded = (n: number): number => Math.round(n * 10) / 10

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
