package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/inventory/inventorytest"
)

func TestMemory(t *testing.T) {
	inventorytest.RunDirectory(t, func(t *testing.T) inventory.Directory {
		m, err := inventory.NewMemory()
		require.NoError(t, err)
		return m
	})
}

func TestNewMemory(t *testing.T) {
	inventorytest.Run(t, func(t *testing.T, entities ...*inventory.Entity) inventory.Inventory {
		m, err := inventory.NewMemory(entities...)
		require.NoError(t, err)
		return m
	})
}
