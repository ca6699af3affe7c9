/** Columns under their names, for people and for `awk`: no quotes and no boxes, numbers to the right. Without rows, the names alone. */
export const table = (names: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const widths = names.map((name, column) => Math.max(name.length, ...rows.map((row) => `${row[column] ?? ''}`.length)))
  const isNumeric = names.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'))
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, column) => (isNumeric[column] ? `${cell}`.padStart(widths[column]!) : `${cell}`.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd()
  return [names.map((name) => name.toUpperCase()), ...rows].map(line).join('\n')
}
