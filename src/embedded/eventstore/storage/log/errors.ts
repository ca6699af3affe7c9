/** The store's files are not what was written: the message names the file and the place. Nothing was changed. */
export class Damaged extends Error {
  override readonly name = 'Damaged'
  readonly file: string
  readonly offset: number

  constructor(file: string, offset: number, what: string) {
    super(`${file} is damaged at byte ${offset}: ${what}`)
    this.file = file
    this.offset = offset
  }
}

/** A store that another version of this program has written. Nothing was changed. */
export class UnknownVersion extends Error {
  override readonly name = 'UnknownVersion'
}

/** The folder holds other things and no store: one that began there would live among them. Nothing was changed. */
export class NoStore extends Error {
  override readonly name = 'NoStore'
}
