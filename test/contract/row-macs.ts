import { type Peppers, parsePeppers } from '../../src/secrets/peppers.ts'
import { createRowMacs, type RowMacs } from '../../src/secrets/row-macs.ts'
import { peppers } from './key-fixtures.ts'

/** Of the rows of jobs in tests. */
export const macs: RowMacs = createRowMacs(peppers)
/** Of another deployment. */
export const otherPeppers: Peppers = parsePeppers(
  `1:${Buffer.alloc(32, 8).toString('base64url')}`,
  'the test',
)
