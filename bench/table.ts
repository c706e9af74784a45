export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** Writes a table in Markdown, first column to the left, the others to the right. */
export function formatTable({ title, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = columns.map((_, index) => (index === 0 ? '---' : '---:'))
  return [`**${title}**`, '', line(columns), line(rule), ...rows.map(line)].join('\n')
}
