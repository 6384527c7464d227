export { type AdminParts, adminRoutes } from './routes.ts'
export { type Spending, spendingOf } from './spending.ts'
