export const USER = 'the name of the user, or the id'

/** Tables and colours take a while to load, which programs need not wait for. */
export const userPrinter = () => import('./user-print.ts')
