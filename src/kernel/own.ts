/** What a table itself holds under a name that somebody else chose: `constructor` and `toString` stand in every object and in no table of ours. */
export const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined
