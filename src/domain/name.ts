const visible = /(?![\p{Default_Ignorable_Code_Point}\u2800])[\p{L}\p{N}\p{P}\p{S}]/u

/** Control and format characters, line and paragraph separators, and halves of surrogate pairs. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** Arabic, Indic scripts and emoji join letters with these; beside a space, or at an end, they join nothing. */
const joinersInside = /(?<=[^\s\p{Cf}])[\u200c\u200d](?=[^\s\p{Cf}])/gu

/**
 * The name of a person or a product as it is kept: trimmed. `undefined` where nobody could see it, or where it would turn or hide the
 * text around it (as U+202E does).
 */
export const nameOf = (text: string): string | undefined => {
  const name = text.trim()
  return visible.test(name) && !unseen.test(name.replace(joinersInside, '')) ? name : undefined
}
