#!/usr/bin/perl
# A client of Squire for Perl 5.14 or newer, with nothing but its own modules.
package Squire;
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use Socket qw(MSG_PEEK);
use Time::HiRes qw(sleep time);

sub new {
    my ($class, %options) = @_;
    my $path = $ENV{SQUIRE_SOCKET} || '/run/squire/squire.sock';
    return bless { path => $path, timeout => 5, socket => undef, %options }, $class;
}

# Connects where the agent closed the connection, and waits for one that is being restarted.
sub connect {
    my ($self) = @_;
    if (my $socket = $self->{socket}) {
        return unless IO::Select->new($socket)->can_read(0);
        my $byte = '';
        return if defined recv($socket, $byte, 1, MSG_PEEK) && $byte ne '';
    }
    for (my $end = time() + $self->{timeout} ; ; sleep 0.05) {
        $self->{rest} = '';
        return if $self->{socket} = IO::Socket::UNIX->new(Peer => $self->{path});
        die "$self->{path}: $!\n" if time() > $end;
    }
}

# Calls a method. Dies with the agent's error, a hash that docs/reference/errors.md describes; or with a text where
# nobody answered: it may have been done or not, and so it is not repeated.
sub call {
    my ($self, $method, %params) = @_;
    local $SIG{PIPE} = 'IGNORE';
    $self->connect;
    $params{_meta} = { deadline_ms => int($self->{timeout} * 1000) };
    $self->{socket}->printflush(encode_json({ jsonrpc => '2.0', id => 1, method => $method, params => \%params }), "\n");
    # The agent keeps the time; the limit is for one that hangs. What has no id is not for this call.
    my $reply = {};
    $reply = $self->read($self->{timeout} + 1) until exists $reply->{id};
    die $reply->{error} if $reply->{error};
    return $reply->{result};
}

sub read {
    my ($self, $limit) = @_;
    my $end;
    while (($end = index $self->{rest}, "\n") < 0) {
        next if IO::Select->new($self->{socket})->can_read($limit)
            && sysread $self->{socket}, $self->{rest}, 65536, length $self->{rest};
        $self->{socket} = undef;
        die "no answer from the agent\n";
    }
    return decode_json(substr $self->{rest}, 0, $end + 1, '');
}

# Hands what a subscription brings to a function, until that returns something true; undef where messages may be
# missing. Needs its own Squire.
sub messages {
    my ($self, $take, $method, %params) = @_;
    for (;;) {
        my $push = eval { $self->call($method, %params); $self->read };
        while ($push && $push->{method} !~ /\.closed\z/) {
            return if $take->($push->{method} =~ /\.message\z/ ? $push->{params} : undef);
            $push = eval { $self->read };
        }
        die $@ if ref $@ && !$@->{data}{retryable};
        $self->{socket} = undef;
        sleep 0.1;
        return if $take->(undef);
    }
}

package main;
unless (caller) {
    $| = 1;
    my $agent = Squire->new(timeout => 2);
    $agent->call('cache.set', key => 'client:perl', value => { name => 'Ada' }, ttl_ms => 60_000);
    print $agent->call('cache.get', key => 'client:perl')->{value}{name}, "\n";
    my $take = sub {
        my ($push) = @_;
        $push ? print "$push->{message}\n" : warn "some may be missing\n";
        return $push && $push->{message} eq 'end';
    };
    Squire->new->messages($take, 'channel.subscribe', channel => 'news');
    print $agent->call('cache.get', key => 'client:perl')->{value}{name}, "\n";    # Over a restart, if there was one.
}
1;
