export { type StandInOptions, type StandIns, startStandIns } from './stand-ins.ts'
