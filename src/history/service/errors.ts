import { Unavailable } from '../../platform/errors.js'
import { isFull } from '../../platform/files.js'
import { isDatabaseAway } from '../../platform/sqlstate.js'
import { ReadModelMissing } from '../engine/loader.js'
import { UnknownName } from '../engine/names.js'
import { StatementRefused } from '../engine/statement.js'
import { QueryEnded } from '../sql.js'
import { NotAnswered } from './question.js'

/** How DuckDB begins what it says of a statement. */
const ofStatement =
  /^(Failed to extract statements: )?(Parser|Syntax|Catalog|Binder|Conversion|Out of Range|Invalid Input|Invalid Type|Mismatch Type|Not implemented|Constraint|Permission|Sequence|Dependency|Parameter Not Allowed|Parameter Not Resolved|Expression|Missing Extension|Extension Autoloading) Error/

/** Any error as the answer that its asker gets: what is the statement's fault is a 400, in DuckDB's words. */
export const notAnswered = (error: unknown): NotAnswered => {
  if (error instanceof NotAnswered) return error
  const { message } = error as Error
  if (error instanceof StatementRefused || error instanceof UnknownName || ofStatement.test(message))
    return new NotAnswered(400, message.replace(/^Failed to extract statements: /, ''))
  if (/^Out of Memory Error/.test(message))
    return new NotAnswered(
      400,
      'the query needs more memory than it may take (HISTORY_MEMORY): ask for less, or for less at once',
    )
  if (error instanceof QueryEnded) return new NotAnswered(503, `${message}: ask for less`)
  if (error instanceof Unavailable) return new NotAnswered(503, error.outside)
  if (error instanceof ReadModelMissing) return new NotAnswered(503, message)
  if (isDatabaseAway(error)) return new NotAnswered(503, 'the database does not answer; try again in a moment')
  if (isFull(error)) return new NotAnswered(503, 'the disk is full: ask for less, or try again when there is room on it')
  return new NotAnswered(500, 'something went wrong on our side')
}
