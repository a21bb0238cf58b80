package oidc_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner/oidc"
)

// Tokens in the shape in which the providers make them, but for the signature.
func TestJobs(t *testing.T) {
	now := time.Now()
	times := map[string]any{"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	for name, x := range map[string]struct {
		config     oidc.Config
		claims     map[string]any
		uri        string
		principals []string
		spoil      map[string]any
	}{
		"GitHub": {
			oidc.GitHubActions("gh", "ca", "octo-org/octo-repo", "octo-org/other"),
			map[string]any{
				"jti": "example-id", "sub": "repo:octo-org/octo-repo:environment:prod", "environment": "prod", "aud": "ca", "ref": "refs/heads/main",
				"repository": "octo-org/octo-repo", "repository_owner": "octo-org", "run_id": "example-run-id", "iss": "https://token.actions.githubusercontent.com",
			},
			"https://github.com/octo-org/octo-repo", []string{"octo-repo"}, map[string]any{"repository": "octo-org/octo-repo-evil"},
		},
		"GitLab": {
			oidc.GitLabCI("gl", "https://gitlab.example.com/", "ca", "team/sub/My.Project"),
			map[string]any{
				"iss": "https://gitlab.example.com", "sub": "project_path:team/sub/My.Project:ref_type:branch:ref:main", "aud": "ca", "jti": "x",
				"project_path": "team/sub/My.Project", "pipeline_id": "1", "ref": "main", "ref_protected": "true",
			},
			"https://gitlab.example.com/team/sub/My.Project", nil, map[string]any{"project_path": nil},
		},
		"Buildkite": {
			oidc.Buildkite("bk", "ca", "acme-inc"),
			map[string]any{
				"iss": "https://agent.buildkite.com", "sub": "organization:acme-inc:pipeline:super-duper-app:ref:refs/heads/main", "aud": "ca",
				"organization_slug": "acme-inc", "pipeline_slug": "super-duper-app", "build_number": 1,
			},
			"https://buildkite.com/acme-inc/super-duper-app", []string{"super-duper-app"}, map[string]any{"organization_slug": "evil-inc"},
		},
	} {
		p := newIDP(t)
		p.issuer, p.jwksURI = x.claims["iss"].(string), x.claims["iss"].(string)+"/keys"
		x.config.Client = &http.Client{Transport: p}
		o, err := oidc.New(x.config)
		require.NoError(t, err, name)
		claims := with(x.claims, times)
		g, err := o.Authorize(context.Background(), x509Request(t, p.token(claims)))
		require.NoError(t, err, name)
		require.Equal(t, []string{x.uri}, g.Names.Strings(), name)
		require.Equal(t, claims["sub"], g.Subject, name)
		g, err = o.Authorize(context.Background(), sshRequest(t, p.token(claims)))
		if x.principals == nil {
			requireCode(t, err, "principals", name)
		} else {
			require.NoError(t, err, name)
			require.Equal(t, x.principals, g.SSH.Principals, name)
			require.Equal(t, claims["sub"], g.SSH.KeyID, name)
		}
		_, err = o.Authorize(context.Background(), x509Request(t, p.token(with(claims, x.spoil))))
		requireCode(t, err, "claim", name)
		_, err = o.Authorize(context.Background(), x509Request(t, p.token(with(claims, map[string]any{"aud": "sigstore"}))))
		requireCode(t, err, "audience", name)
	}
	for _, c := range []oidc.Config{oidc.GitHubActions("gh", "ca"), oidc.GitLabCI("gl", "https://gitlab.com", "ca"), oidc.Buildkite("bk", "ca")} {
		_, err := oidc.New(c)
		require.ErrorContains(t, err, "no value of claim")
	}
	_, err := oidc.New(oidc.GitHubActions("gh", "ca", ""))
	require.ErrorContains(t, err, "is empty")
	_, err = oidc.New(oidc.GitLabCI("gl", "http://gitlab.example.com", "ca", "a/b"))
	require.ErrorContains(t, err, "is not https")
	_, err = oidc.New(oidc.GitHubActions("gh", "", "a/b"))
	require.ErrorContains(t, err, "no client id")
}

// A job's principal is the last word of its name, if that can be an account's, and root's never.
func TestJobPrincipals(t *testing.T) {
	claims := map[string]any{"sub": "s", "organization_slug": "acme-inc"}
	for short, ok := range map[string]bool{
		"deploy": true, "super-duper-app": true, "app2": true,
		"root": false, "Deploy": false, "my.app": false, "my_app": true, "-x": false, "a b": false, "a,b": false, "d\u00e9ploy": false,
	} {
		for _, x := range []struct {
			config oidc.Config
			claims map[string]any
		}{
			{oidc.GitHubActions("gh", "ca", "o/"+short), map[string]any{"repository": "o/" + short}},
			{oidc.GitLabCI("gl", "https://gitlab.com", "ca", "g/s/"+short), map[string]any{"project_path": "g/s/" + short}},
			{oidc.Buildkite("bk", "ca", "acme-inc"), map[string]any{"pipeline_slug": short}},
		} {
			who, err := x.config.Identity(with(claims, x.claims))
			require.NoError(t, err, short)
			require.Equal(t, "s", who.Subject)
			if ok {
				require.Equal(t, []string{short}, who.Principals)
			} else {
				require.Empty(t, who.Principals, short)
			}
			_, err = x.config.Identity(with(with(claims, x.claims), map[string]any{"sub": nil}))
			require.Error(t, err, "no subject")
			for k := range x.claims {
				_, err = x.config.Identity(with(claims, map[string]any{k: []any{short}}))
				require.Error(t, err, "a list of names is none")
			}
		}
	}
	// Nothing in a pipeline's name makes the URI that of another.
	who, err := oidc.Buildkite("bk", "ca", "acme-inc").Identity(with(claims, map[string]any{"pipeline_slug": "a/../b?c#d"}))
	require.NoError(t, err)
	require.Equal(t, []string{"https://buildkite.com/acme-inc/a%2F..%2Fb%3Fc%23d"}, who.Names.URIs)
}

// ID tokens of people, in the shape of well-known providers.
func TestShapes(t *testing.T) {
	now := time.Now()
	for name, x := range map[string]struct {
		endpoint, tenant, discovered string
		claims                       map[string]any
	}{
		"Google": {"https://accounts.google.com", "", "https://accounts.google.com", map[string]any{
			"iss": "https://accounts.google.com", "azp": client, "sub": "110169484474386276334", "hd": "example.com", "email": "joe@example.com", "email_verified": true, "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
		}},
		"Okta": {"https://example.okta.com/oauth2/default/.well-known/openid-configuration", "", "https://example.okta.com/oauth2/default", map[string]any{
			"iss": "https://example.okta.com/oauth2/default", "ver": 1, "sub": "00uid4BxXw6I6TV4m0g3", "email": "joe@example.com", "amr": []string{"pwd", "mfa"}, "idp": "00o1", "jti": "ID.x", "auth_time": now.Unix(),
		}},
		"Entra": {"https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration", "9188040d-6c67-4c5b-b112-36a304b66dad", "https://login.microsoftonline.com/{tenantid}/v2.0", map[string]any{
			"iss": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "tid": "9188040d-6c67-4c5b-b112-36a304b66dad",
			"preferred_username": "joe@example.com", "email": "joe@example.com", "oid": "00000000-0000-0000-66f3-3332eca7ea81", "ver": "2.0",
		}},
		"Auth0": {"https://example.eu.auth0.com/", "", "https://example.eu.auth0.com/", map[string]any{
			"iss": "https://example.eu.auth0.com/", "sub": "auth0|507f1f77bcf86cd799439011", "nickname": "joe", "email": "joe@example.com", "email_verified": true, "sid": "x",
		}},
		"Keycloak": {"https://sso.example.com/realms/main", "", "https://sso.example.com/realms/main", map[string]any{
			"iss": "https://sso.example.com/realms/main", "typ": "ID", "azp": client, "sub": "f:1:joe", "acr": "1", "email": "joe@example.com", "email_verified": true, "groups": []string{"/ops"}, "sid": "x",
		}},
		"dex": {"https://dex.example.com/dex", "", "https://dex.example.com/dex", map[string]any{
			"iss": "https://dex.example.com/dex", "sub": "Cg0wLTM4NS0yODA4OS0wEgRtb2Nr", "email": "joe@example.com", "email_verified": true, "groups": []string{"ops"}, "name": "Joe",
		}},
	} {
		p := newIDP(t)
		p.issuer, p.jwksURI = x.discovered, "https://keys.example.com/keys"
		o := p.provisioner(func(c *oidc.Config) {
			c.ConfigurationEndpoint, c.TenantID, c.Domains = x.endpoint, x.tenant, []string{"example.com"}
		})
		claims := with(x.claims, map[string]any{"aud": client, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
		g, err := o.Authorize(context.Background(), sshRequest(t, p.token(claims)))
		require.NoError(t, err, name)
		require.Equal(t, []string{"joe", "joe@example.com"}, g.SSH.Principals, name)
	}
}
