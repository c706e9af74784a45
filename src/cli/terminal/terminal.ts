import { styleText } from 'node:util'

/** Columns of the terminal that standard output is; infinite if it is no terminal. */
export function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY
}

/** Whether standard output is a terminal that wants colours (https://no-color.org). */
function wantsColour(): boolean {
  const { NO_COLOR, TERM } = process.env
  return process.stdout.isTTY && (NO_COLOR ?? '') === '' && TERM !== 'dumb'
}

/** Colours a text on a terminal that wants colours; otherwise leaves it as it is. */
export function paint(format: 'green' | 'yellow' | 'red' | 'bold', text: string): string {
  return wantsColour() ? styleText(format, text, { validateStream: false }) : text
}
