/** What a person asked to see. With no wish everything is there; in text the threats are then short. */
export interface Sections {
  readonly summary: boolean
  readonly threats: boolean
  readonly users: boolean
}

export const ALL_SECTIONS: Sections = { summary: true, threats: true, users: true }

export function chosenSections(asked: { readonly suspicious?: boolean; readonly users?: boolean }): Sections {
  if (!asked.suspicious && !asked.users) return ALL_SECTIONS
  return { summary: false, threats: asked.suspicious === true, users: asked.users === true }
}
