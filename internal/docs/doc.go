// Package docs holds what the Markdown files at the top level say to what there is: snippets to the
// examples they were taken from, tables to the packages and tests they list, links to files.
package docs
