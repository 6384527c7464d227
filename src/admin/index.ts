export { type AdminParts, adminRoutes } from './routes.ts'
