/** The part of the operations log that this room writes to; pino's loggers fit. */
export interface IdentityLog {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
