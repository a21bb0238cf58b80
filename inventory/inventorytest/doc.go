// Package inventorytest says what the interfaces of package inventory mean: [Run] for an Inventory and
// what it can do beside, [RunDirectory] for one that can be written. [Failing] is an inventory that
// cannot answer.
package inventorytest
