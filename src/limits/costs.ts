/** How much of each measure, whole numbers from 0 on. */
export type Costs = Readonly<Record<string, number>>
