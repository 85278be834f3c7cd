import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Leases
import Linux
public import Store
import Valkey

/// One connection that wants to know who leads.
@EventLoop
final class Observer {
    let name: String
    let peer: Peer
    /// The call that is not answered yet.
    var call: CallID?
    let place: LeasePlace

    init(_ name: String, _ peer: Peer, _ call: CallID, _ place: LeasePlace) {
        self.name = name
        self.peer = peer
        self.call = call
        self.place = place
    }
}

/// What is known of one election that somebody observes.
///
/// Valkey tells when the leader changes, but for a lead that runs out: nobody is there who would do it. So Valkey is
/// asked when the lead that is known would end, which finds either its renewal or its end.
@EventLoop
final class ElectionWatch: SubscriptionHandler {
    let place: LeasePlace
    var observers: [Observer] = []
    /// The last that is known; nil where nothing is.
    var state: LeaseState?
    /// Whether the changes were asked for, and nobody said that there will be none.
    var isSubscribed = false
    var subscription: Subscription?
    var timer: TimerID?
    var isAsking = false
    var isStale = false
    // It lives as long as the process.
    private unowned(unsafe) let leaders: Leaders

    init(_ place: LeasePlace, of owner: Leaders) {
        self.place = place
        unsafe leaders = owner
    }

    func subscriptionBegan(_ subscription: Subscription) {
        self.subscription = subscription
        unsafe leaders.refresh(self)
    }

    func subscriptionEnded(_ subscription: Subscription, _ failure: SubscriptionFailure) {
        isSubscribed = false
        self.subscription = nil
        unsafe leaders.watchFailed(self, failure)
    }

    func received(_ message: PublishedMessage, _ subscription: Subscription) {
        unsafe leaders.refresh(self)
    }

    func messagesMayBeMissing(_ subscription: Subscription, _ reason: GapReason) {
        unsafe leaders.refresh(self)
    }
}

extension Leaders {
    /// Answers `leader.observe`: at most two round trips.
    ///
    /// - Throws: ``RPCError`` where the parameters are not usable.
    public func observe(_ parameters: LeaderObserveParameters, _ context: CallContext) throws(RPCError) {
        let place = try place(parameters.election)
        guard let peer = calls.peer(of: context.call) else { return calls.reply(context.call) { $0.append("{}") } }
        guard observers[ObjectIdentifier(peer), default: []].count < Leaders.countMax else {
            throw RPCError(
                .overloaded,
                "a connection observes at most \(Leaders.countMax) elections",
                isRetryable: false
            )
        }
        let observer = Observer(nextName("observer"), peer, context.call, place)
        observers[ObjectIdentifier(peer), default: []].append(observer)
        peer.bindings += 1
        let watch = elections[place] ?? ElectionWatch(place, of: self)
        elections[place] = watch
        watch.observers.append(observer)
        if watch.subscription?.isActive == true { return refresh(watch) }
        if !watch.isSubscribed { subscribe(watch, until: context.deadline) }
    }

    private func subscribe(_ watch: ElectionWatch, until deadline: Instant) {
        watch.isSubscribed = true
        let subscription = leases.link.subscriber.subscribe(
            to: .channel(leases.newsChannel(of: watch.place)),
            handler: watch,
            deadline: deadline
        )
        if watch.isSubscribed { watch.subscription = subscription }
    }

    /// Forgets an observer that has gone.
    func leave(_ observer: Observer) {
        observer.peer.bindings -= 1
        guard let watch = elections[observer.place] else { return }
        watch.observers.removeAll { $0 === observer }
        guard watch.observers.isEmpty else { return }
        elections[observer.place] = nil
        if let timer = watch.timer { EventLoop.reactor.timers.cancel(timer) }
        watch.timer = nil
        if let subscription = watch.subscription { leases.link.subscriber.unsubscribe(subscription) }
        watch.subscription = nil
    }

    /// Valkey does not tell of changes: it is asked again, but for those who never had an answer.
    func watchFailed(_ watch: ElectionWatch, _ failure: SubscriptionFailure) {
        let error: RPCError =
            switch failure {
            case .link(let failure): RPCError(failure)
            case .refused(let text): text.withByteView { RPCError(refusal: $0, .read) }
            }
        failCalls(watch, error)
        guard elections[watch.place] === watch, !leases.link.isEnded else { return }
        EventLoop.reactor.timers.schedule(after: Leaders.retryDelayMax) {
            guard self.elections[watch.place] === watch, !watch.isSubscribed else { return }
            self.subscribe(watch, until: Instant.now.advanced(by: .seconds(5)))
        }
    }

    /// Ends the calls of those who never had an answer.
    private func failCalls(_ watch: ElectionWatch, _ error: RPCError) {
        for observer in watch.observers {
            guard let call = observer.call else { continue }
            observer.call = nil
            observers[ObjectIdentifier(observer.peer)]?.removeAll { $0 === observer }
            leave(observer)
            calls.fail(call, error)
        }
    }

    /// Asks who leads, and tells whom it concerns.
    func refresh(_ watch: ElectionWatch) {
        guard !watch.isAsking else {
            watch.isStale = true
            return
        }
        watch.isAsking = true
        watch.isStale = false
        Task { @EventLoop in
            var next: Int64?
            do throws(RPCError) {
                let state = try await self.leases.inspect(watch.place, until: Instant.now.advanced(by: .seconds(5)))
                if self.elections[watch.place] === watch { self.tell(watch, state) }
                next = state.holders.first.map { max($0.end - state.now, 0) + 2 }
            } catch {
                self.failCalls(watch, error)
                next = 250
            }
            watch.isAsking = false
            guard self.elections[watch.place] === watch else { return }
            if watch.isStale { return self.refresh(watch) }
            self.look(watch, afterMilliseconds: next)
        }
    }

    private func look(_ watch: ElectionWatch, afterMilliseconds delay: Int64?) {
        if let timer = watch.timer { EventLoop.reactor.timers.cancel(timer) }
        watch.timer = nil
        guard let delay else { return }
        watch.timer = EventLoop.reactor.timers.schedule(after: .milliseconds(delay)) {
            watch.timer = nil
            self.refresh(watch)
        }
    }

    private func tell(_ watch: ElectionWatch, _ state: LeaseState) {
        let before = watch.state
        watch.state = state
        let isChanged =
            before.map { $0.fence != state.fence || $0.holders.isEmpty != state.holders.isEmpty } ?? false
        for observer in watch.observers {
            if let call = observer.call {
                observer.call = nil
                calls.reply(call) { append(observer, state, to: &$0) }
            } else if isChanged {
                calls.push(observer.peer, "leader.changed") { parameters in
                    append(changeFor: observer, state, to: &parameters)
                }
            }
        }
    }

    private func append(_ observer: Observer, _ state: LeaseState, to result: inout ByteBuffer) {
        result.append("{\"subscription\":\"")
        result.append(text: observer.name)
        result.append("\",")
        if let holder = state.holders.first {
            appendLeader(holder, to: &result)
            result.append(",\"since_at_ms\":")
            result.append(decimal: holder.since)
            result.append(",")
        }
        result.append("\"term\":")
        result.append(decimal: state.fence)
        result.append("}")
    }

    private func append(changeFor observer: Observer, _ state: LeaseState, to parameters: inout ByteBuffer) {
        parameters.append("{\"subscription\":\"")
        parameters.append(text: observer.name)
        parameters.append("\",\"election\":")
        observer.place.name.withByteView { parameters.append(jsonString: $0) }
        parameters.append(",")
        if let holder = state.holders.first {
            appendLeader(holder, to: &parameters)
        } else {
            parameters.append("\"leader\":null")
        }
        parameters.append(",\"term\":")
        parameters.append(decimal: state.fence)
        parameters.append("}")
    }

    private func appendLeader(_ holder: LeaseRecord, to buffer: inout ByteBuffer) {
        buffer.append("\"leader\":{")
        LeaseDescription(holder.description)?.appendWho(to: &buffer)
        buffer.append("}")
    }
}
