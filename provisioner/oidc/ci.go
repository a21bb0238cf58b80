package oidc

import (
	"errors"
	"net/url"
	"strings"

	"github.com/chancery-ca/chancery/provisioner"
)

// GitHubActions is a provisioner of the tokens that jobs of GitHub Actions ask for, with that audience, for
// jobs of the given repositories ("owner/name"); none is a fault that [New] reports. Branches and
// environments are narrowed by further entries of Config.Claims ("ref", "environment").
//
// A certificate names the repository as https://github.com/owner/name. SSH user certificates have the
// repository's name as their principal, if it can be that of an account and is not root.
func GitHubActions(name, audience string, repositories ...string) Config {
	return job(name, audience, "https://token.actions.githubusercontent.com", "repository", "https://github.com/", repositories)
}

// GitLabCI is the same for the ID tokens of GitLab's jobs, at an instance ("https://gitlab.com"), for
// projects by their full paths.
func GitLabCI(name, instance, audience string, projects ...string) Config {
	instance = strings.TrimSuffix(instance, "/")
	return job(name, audience, instance, "project_path", instance+"/", projects)
}

// Buildkite is the same for the tokens of Buildkite's agents, for organizations by their slugs. A certificate
// names the pipeline. Whoever may add pipelines to an organization chooses their names, and with them the
// principals: for SSH, narrow the pipelines by an entry of Config.Claims ("pipeline_slug").
func Buildkite(name, audience string, organizations ...string) Config {
	c := job(name, audience, "https://agent.buildkite.com", "organization_slug", "", organizations)
	c.Identity = func(claims map[string]any) (*Identity, error) {
		org, _ := claims["organization_slug"].(string)
		pipeline, _ := claims["pipeline_slug"].(string)
		if org == "" || pipeline == "" {
			return nil, errNoJob
		}
		return jobIdentity(claims, "https://buildkite.com/"+url.PathEscape(org)+"/"+url.PathEscape(pipeline), pipeline)
	}
	return c
}

var errNoJob = errors.New("the token does not say which job it is of")

func job(name, audience, endpoint, claim, base string, allowed []string) Config {
	return Config{
		Name: name, ClientID: audience, ConfigurationEndpoint: endpoint, Claims: map[string][]string{claim: allowed},
		Identity: func(claims map[string]any) (*Identity, error) {
			path, _ := claims[claim].(string)
			if path == "" {
				return nil, errNoJob
			}
			return jobIdentity(claims, base+path, path[strings.LastIndexByte(path, '/')+1:])
		},
	}
}

// jobIdentity is a job under the name of what it is a job of: the subject of its token says more, and
// another thing at each of these providers.
func jobIdentity(claims map[string]any, uri, short string) (*Identity, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, errNoJob
	}
	i := &Identity{Names: provisioner.Names{URIs: []string{u.String()}}}
	if i.Subject, _ = claims["sub"].(string); i.Subject == "" {
		return nil, errNoJob
	}
	if account(short) == short && short != "" && short[0] != '-' && short != "root" {
		i.Principals = []string{short}
	}
	return i, nil
}
