import { type KeyWarning, withWarnings } from '../../keys/fields/key-warnings.ts'
import { viewKey } from '../../keys/record/views.ts'
import type { IssuedKey } from '../../keys/service/issue-keys.ts'
import { CliError, OutputClosed } from '../cli-error.ts'
import { print, tell } from '../terminal/output.ts'
import { tellWarnings } from './tell-warnings.ts'

/** The id and the key first: they are what the line is read for. */
function viewIssuedKey({ record, text }: IssuedKey): { readonly id: string; readonly key: string } {
  const { id, ...view } = viewKey(record, Date.now())
  return { id, key: text, ...view }
}

/**
 * Prints a key that was just made, the one time that it is known: as one line of JSON, or as the
 * bare key with what people should know beside it on standard error. The key is durable by now.
 */
export async function printIssuedKey(
  issued: IssuedKey,
  asJson: boolean,
  note: string,
  warnings: readonly KeyWarning[] = [],
): Promise<void> {
  const { record, text } = issued
  const line = asJson ? JSON.stringify(withWarnings(viewIssuedKey(issued), warnings)) : text
  try {
    await print(`${line}\n`)
  } catch (error) {
    // The key works and was not printed: unlike elsewhere, a closed pipe must not be silent.
    if (!(error instanceof OutputClosed) && !(error instanceof CliError)) throw error
    throw new CliError(
      'output_failed',
      `${error.message}: key ${record.id} exists and could not be printed; rotate or revoke it`,
    )
  }
  if (asJson) return
  tell(note)
  tellWarnings(warnings)
}
